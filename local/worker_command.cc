// Running a command on a message: its standard input is the message, what it prints is kept for the
// report, and it does not live longer than its time limit.

#include <algorithm>
#include <cerrno>
#include <csignal>

#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/os/process.h"
#include "lib/os/socket.h"
#include "local/worker_jobs.h"

namespace postrider::local {

namespace {

constexpr std::size_t block_size = 16 * 1024;

// The bytes that the command reads, block by block, with lines as the job wants them.
class Input {
 public:
  Input(os::Files& files, const CommandJob& job) : files_(files), job_(job) {
    feed(job.mail.head);
    quoting_ = true;
    if (job.mail.length == 0) finish();
  }

  // The next bytes to write, empty at the end; an error when the message cannot be read.
  Result<std::string_view> pending() {
    while (out_.empty() && done_ < job_.mail.length) {
      std::string block(std::min<std::uint64_t>(block_size, job_.mail.length - done_), '\0');
      const auto got = files_.pread(job_.mail.content.get(), block, job_.mail.offset + done_);
      if (!got) return fail(got.error());
      if (*got == 0) return fail(Trouble::temporary, "the message is shorter than it was announced");
      done_ += *got;
      feed(std::string_view(block).substr(0, *got));
      if (done_ == job_.mail.length) finish();
    }
    return std::string_view(out_);
  }
  void consume(std::size_t count) { out_.erase(0, count); }

 private:
  void feed(std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
      const auto end = std::min(text.find('\n', at), text.size());
      line_ += text.substr(at, end - at);
      // A line that is long enough to be known goes on without waiting for its end.
      if (end < text.size() || line_.size() > 8) put_line(end < text.size());
      at = end + 1;
    }
  }
  void put_line(bool ended) {
    if (line_start_ && quoting_) {
      if (job_.dot_quoted && line_.starts_with('.')) out_ += '.';
      if (job_.from_quoted && line_.starts_with("From ")) out_ += '>';
    }
    out_ += line_;
    line_.clear();
    line_start_ = ended;
    if (ended) out_ += job_.line_end;
  }
  void finish() {
    if (!line_.empty() || !line_start_) put_line(true);
    if (job_.blank_line) out_ += job_.line_end;
  }

  os::Files& files_;
  const CommandJob& job_;
  std::uint64_t done_ = 0;
  bool quoting_ = false;  // not what we put in front, which may begin with a separator
  bool line_start_ = true;
  std::string line_;  // of a line that is not complete
  std::string out_;
};

void set_nonblocking(const os::Fd& fd) {
  ::fcntl(fd.get(), F_SETFL, ::fcntl(fd.get(), F_GETFL) | O_NONBLOCK);
}

// Feeds and listens until the command ended, or the time was up. nullopt: trouble with the message.
class Conversation {
 public:
  Conversation(const Clock& clock, const CommandJob& job, Input& input, os::Fd to, os::Fd from, pid_t pid)
      : clock_(clock),
        deadline_(clock.mono() + job.time_limit),
        input_(input),
        to_(std::move(to)),
        from_(std::move(from)),
        watch_(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))) {}

  enum class End { command_ended, timed_out, no_input };
  End run(CommandEnded& answer) {
    set_nonblocking(to_);
    set_nonblocking(from_);
    while (true) {
      if (!write_some(answer)) return End::no_input;
      const auto left = std::chrono::duration_cast<Milliseconds>(deadline_ - clock_.mono());
      if (left.count() <= 0) return End::timed_out;
      pollfd set[] = {{to_.get(), POLLOUT, 0}, {from_.get(), POLLIN, 0}, {watch_.get(), POLLIN, 0}};
      const int ready = ::poll(set, 3, static_cast<int>(std::min<std::int64_t>(left.count(), 1'000'000)));
      if (ready < 0 && errno != EINTR) return End::timed_out;
      if ((set[1].revents & (POLLIN | POLLHUP | POLLERR)) != 0) read_some(answer);
      if (set[2].revents != 0 || (!watch_ && !from_)) {
        // What it printed last; a grandchild that keeps the pipe open is not waited for.
        read_some(answer);
        return End::command_ended;
      }
    }
  }

 private:
  bool write_some(CommandEnded& answer) {
    while (to_) {
      const auto bytes = input_.pending();
      if (!bytes) {
        answer.ending = ending_of(bytes.error());
        return false;
      }
      if (bytes->empty()) {
        to_.reset();
        break;
      }
      const ssize_t count = ::write(to_.get(), bytes->data(), bytes->size());
      if (count >= 0) {
        input_.consume(static_cast<std::size_t>(count));
      } else if (errno == EAGAIN) {
        break;
      } else if (errno != EINTR) {
        to_.reset();  // it reads no further, which is its right; its exit status counts
      }
    }
    return true;
  }
  void read_some(CommandEnded& answer) {
    char block[4096];
    while (from_) {
      const ssize_t count = ::read(from_.get(), block, sizeof block);
      if (count > 0) {
        const auto room = max_text - std::min(max_text, answer.output.size());
        answer.output.append(block, std::min<std::size_t>(room, static_cast<std::size_t>(count)));
      } else if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
        from_.reset();
      } else if (errno == EAGAIN) {
        break;
      }
    }
  }

  const Clock& clock_;
  MonoTime deadline_;
  Input& input_;
  os::Fd to_, from_, watch_;
};

// As execvp(3) on the standard path.
std::string find_program(os::Files& files, const std::string& name) {
  if (name.find('/') != std::string::npos) return name;
  for (const char* directory : {"/usr/bin/", "/bin/", "/usr/local/bin/"}) {
    const auto status = files.stat(directory + name);
    if (status && (status->mode & 0111) != 0) return directory + name;
  }
  return "/usr/bin/" + name;
}

}  // namespace

CommandEnded run_command(WorkerTools& tools, const CommandJob& job) {
  CommandEnded answer;
  const auto give_up = [&](const Error& error) {
    answer.ending = ending_of(error);
    return answer;
  };
  const auto loop = find_loop(tools.files, job.mail);
  if (!loop) return give_up(loop.error());
  if (!loop->empty()) {
    answer.ending = {Ending::Kind::loop, *loop};
    return answer;
  }
  if (job.arguments.empty()) return give_up(Error(Trouble::permanent, "no command"));
  auto input_pipe = os::pipe();
  if (!input_pipe) return give_up(input_pipe.error());
  auto output_pipe = os::pipe();
  if (!output_pipe) return give_up(output_pipe.error());

  os::Spawn spawn;
  spawn.program = find_program(tools.files, job.arguments[0]);
  spawn.arguments = job.arguments;
  spawn.environment = job.environment;
  spawn.directory = job.directory.empty() ? "/" : job.directory;
  spawn.descriptors = {
      {input_pipe->first.get(), 0}, {output_pipe->second.get(), 1}, {output_pipe->second.get(), 2}};
  spawn.new_session = true;
  const auto pid = os::spawn(spawn);
  if (!pid) return give_up(pid.error());
  input_pipe->first.reset();
  output_pipe->second.reset();

  Input input(tools.files, job);
  Conversation conversation(tools.clock, job, input, std::move(input_pipe->second),
                            std::move(output_pipe->first), *pid);
  answer.ending.kind = Ending::Kind::done;
  const auto end = conversation.run(answer);
  if (end != Conversation::End::command_ended) ::kill(-*pid, SIGKILL);
  const auto ended = os::wait_for(*pid);
  if (!ended) return give_up(ended.error());
  if (end == Conversation::End::timed_out) {
    answer.how = CommandEnded::How::timed_out;
  } else if (ended->signal != 0) {
    answer.how = CommandEnded::How::signalled;
    answer.status = static_cast<std::uint32_t>(ended->signal);
  } else {
    answer.how = CommandEnded::How::exited;
    answer.status = static_cast<std::uint32_t>(ended->exit_status);
  }
  return answer;
}

}  // namespace postrider::local
