#include "lib/sasl/passwd_file.h"

#include "lib/os/credentials.h"
#include "lib/sasl/password_scheme.h"

namespace postrider::sasl {

namespace {

constexpr std::size_t max_file = std::size_t{256} << 20;
constexpr Seconds look_interval{1};

// A number, or the name of an account.
std::optional<uid_t> uid_of(std::string_view text) {
  if (const auto number = parse_number<uid_t>(text)) return number;
  const auto user = os::find_user(std::string(text));
  if (!user || !*user) return std::nullopt;
  return (*user)->uid;
}

std::optional<gid_t> gid_of(std::string_view text) {
  if (const auto number = parse_number<gid_t>(text)) return number;
  const auto group = os::find_group(std::string(text));
  if (!group || !*group) return std::nullopt;
  return **group;
}

// libpam-pwdfile's "password[13]" and "password[34]": the number names the scheme, crypt knows it anyway.
std::string_view without_length(std::string_view password) {
  if (password.ends_with("[13]") || password.ends_with("[34]")) password.remove_suffix(4);
  return password;
}

// false: a value that makes no sense.
bool take_extra(std::string_view extra, UserEntry& user) {
  for (std::string_view word : split_any(extra, " \t")) {
    if (word == "nologin" || word.starts_with("nologin=")) user.disabled = true;
    const std::size_t equals = word.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view name = word.substr(0, equals);
    const std::string_view value = word.substr(equals + 1);
    if (name == "userdb_uid") {
      user.uid = uid_of(value);
      if (!user.uid) return false;
    } else if (name == "userdb_gid") {
      user.gid = gid_of(value);
      if (!user.gid) return false;
    } else if (name == "userdb_home") {
      user.home = value;
    } else if (name == "userdb_mail") {
      user.mail = value;
    } else if (name == "allow_nets") {
      for (const std::string_view net : split_any(value, ",")) user.allow_nets.emplace_back(net);
    }
  }
  return true;
}

std::optional<UserEntry> parse_line(std::string_view line) {
  const auto fields = split(line, ':');
  UserEntry user;
  user.name = fields[0];
  if (user.name.empty() || fields.size() < 2) return std::nullopt;
  user.password = without_length(fields[1]);
  if (fields.size() > 2 && !fields[2].empty()) {
    user.uid = uid_of(fields[2]);
    if (!user.uid) return std::nullopt;
  }
  if (fields.size() > 3 && !fields[3].empty()) {
    user.gid = gid_of(fields[3]);
    if (!user.gid) return std::nullopt;
  }
  if (fields.size() > 5) user.home = fields[5];
  if (fields.size() > 7) {
    // The last field holds the rest of the line, colons included ("userdb_mail=maildir:~/Maildir").
    const auto start = static_cast<std::size_t>(fields[7].data() - line.data());
    if (!take_extra(line.substr(start), user)) return std::nullopt;
  }
  return user;
}

}  // namespace

StringMap<UserEntry> parse_passwd_file(std::string_view text, std::vector<std::string>& complaints) {
  StringMap<UserEntry> users;
  std::size_t number = 0;
  for (std::string_view line : split(text, '\n')) {
    ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (trim(line).empty() || line.starts_with('#')) continue;
    std::optional<UserEntry> user = parse_line(line);
    if (!user) {
      if (complaints.size() < 20) complaints.push_back("line " + std::to_string(number) + " is no user");
      continue;
    }
    // As with passwd(5), the first of two wins.
    users.try_emplace(lower(user->name), std::move(*user));
  }
  return users;
}

PasswdFile::PasswdFile(os::Files& files, const Clock& clock, Log& log, std::string path)
    : files_(files), clock_(clock), log_(log), path_(std::move(path)) {}

Result<std::unique_ptr<PasswdFile>> PasswdFile::open(os::Files& files, const Clock& clock, Log& log,
                                                     std::string path) {
  auto made = std::unique_ptr<PasswdFile>(new PasswdFile(files, clock, log, std::move(path)));
  if (const Result<> done = made->read(); !done) return fail(done.error());
  return made;
}

Result<> PasswdFile::read() {
  const auto status = files_.stat(path_);
  if (!status) return fail(status.error());
  auto text = os::read_file(files_, path_, max_file);
  if (!text) return fail(text.error());
  std::vector<std::string> complaints;
  auto users = std::make_shared<Users>(parse_passwd_file(*text, complaints));
  tls::wipe(*text);
  for (const std::string& complaint : complaints) log_.warning("{}: {}", path_, complaint);
  users_ = std::move(users);
  inode_ = status->inode;
  modified_ = status->modified;
  size_ = status->size;
  looked_ = clock_.mono();
  return {};
}

std::shared_ptr<const PasswdFile::Users> PasswdFile::current() {
  const std::lock_guard lock(mutex_);
  if (clock_.mono() - looked_ < look_interval) return users_;
  looked_ = clock_.mono();
  const auto status = files_.stat(path_);
  const bool same =
      status && status->inode == inode_ && status->modified == modified_ && status->size == size_;
  if (same) return users_;
  const Result<> done = read();
  if (!done && !complained_) {
    log_.warning("{}; the former users are in force until `postrider reload`", done.error().text());
  }
  complained_ = !done;
  return users_;
}

Result<std::optional<UserEntry>> PasswdFile::find(const std::string& name) {
  const std::shared_ptr<const Users> users = current();
  const auto found = users->find(lower(name));
  if (found == users->end()) return std::nullopt;
  return found->second;
}

Verdict PasswdFile::check(const UserEntry& user, std::string_view password, std::string& explanation) {
  const Result<bool> right = verify_password(user.password, password);
  if (!right) {
    explanation = right.error().text();
    return Verdict::temporary;
  }
  return *right ? Verdict::match : Verdict::mismatch;
}

std::string PasswdFile::typical_password() {
  const std::shared_ptr<const Users> users = current();
  for (const auto& [name, user] : *users) {
    if (!user.password.empty()) return user.password;
  }
  return nobodys_password();
}

}  // namespace postrider::sasl
