#include "tools/postrider.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include <catch2/catch.hpp>

#include "lib/daemon/instance_lock.h"
#include "tests/unit/os/faulty_files.h"
#include "tools/installation.h"
#include "tools/instance.h"

using namespace postrider;
using namespace postrider::tools;
using os::system_files;

namespace {

// An installation of the test's own, with a manifest of a few lines; accounts are those who run the test.
class Place {
 public:
  Place() {
    for (const char* name : {"etc", "libexec", "sbin"})
      REQUIRE(::mkdir((directory_ / name).c_str(), 0755) == 0);
    write("etc/master.cf", "");
    write("etc/main.cf", "queue_directory = " + directory_ / "spool" + "\ndata_directory = " +
                             directory_ / "data" + "\ndaemon_directory = " + directory_ / "libexec" +
                             "\ncommand_directory = " + directory_ / "sbin" + "\n");
    write("libexec/install.manifest",
          "# kind path owner group mode\n"
          "dir     $config_directory           root root 0755\n"
          "conf    $config_directory/main.cf   root root 0644 conf/main.cf\n"
          "dir     $queue_directory            root root 0755\n"
          "dir     $queue_directory/pid        root root 0755\n"
          "dir     $queue_directory/maildrop   root root 1730\n"
          "dir     $queue_directory/a/b        root root 0700\n"
          "dir     $data_directory             root root 0700\n"
          "program $command_directory/prdrop   root root 2755 prdrop\n"
          "dir     $unknown_directory/x        root root 0700\n"
          "link    $command_directory/mailq    -    -    -    sendmail\n");
    REQUIRE(::chmod((directory_ / "etc/main.cf").c_str(), 0644) == 0);
    auto opened = Instance::open(system_files(), directory_ / "etc");
    REQUIRE(opened);
    instance_ = std::move(*opened);
  }
  void write(const std::string& name, const std::string& text) {
    REQUIRE(os::replace_file(system_files(), directory_ / name, text, 0644));
  }
  Installation installation() const {
    auto opened = Installation::open(system_files(), *instance_->values, instance_->paths);
    REQUIRE(opened);
    return std::move(*opened);
  }
  // The finding whose text is this; accounts that do not exist on this machine are not looked at.
  std::optional<Finding> finding(const std::string& text) const {
    const auto all = installation().inspect();
    REQUIRE(all);
    const auto found = std::ranges::find(*all, text, &Finding::text);
    if (found == all->end()) return std::nullopt;
    return *found;
  }
  mode_t mode(const std::string& name) const {
    const auto status = system_files().stat(directory_ / name);
    return status ? status->mode : 0;
  }

  os::test::TemporaryDirectory directory_;
  std::unique_ptr<Instance> instance_;
};

}  // namespace

TEST_CASE("missing queue directories are made with their modes, others are left alone") {
  const Place place;
  const auto missing = place.finding("missing directory: " + place.directory_ / "spool/pid");
  REQUIRE(missing);
  CHECK(missing->mend == "install -d -o root -g root -m 0755 " + place.directory_ / "spool/pid");
  const auto made = place.installation().make_missing();
  REQUIRE(made);
  CHECK(made->size() == 5);
  CHECK(place.mode("spool/maildrop") == 01730);
  CHECK(place.mode("spool/a/b") == 0700);
  CHECK(place.mode("data") == 0700);
  CHECK_FALSE(place.finding("missing directory: " + place.directory_ / "spool/pid"));
  REQUIRE(::chmod((place.directory_ / "spool/pid").c_str(), 0777) == 0);
  CHECK(place.installation().make_missing()->empty());
  CHECK(place.mode("spool/pid") == 0777);
}

TEST_CASE("wrong modes are found, each with the command that mends it, and restored") {
  const Place place;
  REQUIRE(place.installation().make_missing());
  const std::string pid = place.directory_ / "spool/pid";
  const std::string main_cf = place.directory_ / "etc/main.cf";
  REQUIRE(::chmod(pid.c_str(), 0777) == 0);
  REQUIRE(::chmod(main_cf.c_str(), 0666) == 0);
  const auto writable = place.finding("group or other writable: " + pid);
  REQUIRE(writable);
  CHECK_FALSE(writable->fatal);
  CHECK(writable->mend == "chmod 0755 " + pid);
  REQUIRE(place.finding("group or other writable: " + main_cf));
  CHECK(place.finding("group or other writable: " + main_cf)->mend == "chmod go-w " + main_cf);

  const auto changed = place.installation().set_permissions();
  REQUIRE(changed);
  CHECK(*changed == std::vector<std::string>{main_cf, pid});
  CHECK_FALSE(place.finding("group or other writable: " + pid));
}

TEST_CASE("a file where a directory belongs keeps the mail system from starting") {
  const Place place;
  REQUIRE(place.installation().make_missing());
  REQUIRE(::rmdir((place.directory_ / "spool/maildrop").c_str()) == 0);
  REQUIRE(os::replace_file(system_files(), place.directory_ / "spool/maildrop", "", 0644));
  const auto found = place.finding("not a directory: " + place.directory_ / "spool/maildrop");
  REQUIRE(found);
  CHECK(found->fatal);
}

TEST_CASE("owners and the set-gid bit are checked and restored by root") {
  if (::geteuid() != 0) return;  // only root sees to owners
  const Place place;
  REQUIRE(place.installation().make_missing());
  const std::string drop = place.directory_ / "sbin/prdrop";
  REQUIRE(os::replace_file(system_files(), drop, "", 0755));
  REQUIRE(::chown((place.directory_ / "spool/pid").c_str(), 65534, 0) == 0);
  CHECK(place.finding("not owned by root: " + place.directory_ / "spool/pid"));
  CHECK(place.finding("mode is 0755 instead of 2755: " + drop));
  REQUIRE(place.installation().set_permissions());
  CHECK(place.mode("sbin/prdrop") == 02755);
  CHECK_FALSE(place.finding("not owned by root: " + place.directory_ / "spool/pid"));
}

TEST_CASE("damaged messages are mentioned") {
  const Place place;
  REQUIRE(place.installation().make_missing());
  REQUIRE(::mkdir((place.directory_ / "spool/corrupt").c_str(), 0700) == 0);
  REQUIRE(os::replace_file(system_files(), place.directory_ / "spool/corrupt/4711", "", 0600));
  CHECK(place.finding("damaged message: corrupt/4711"));
}

TEST_CASE("a manifest line that cannot be read is named") {
  CHECK(Manifest::parse("dir /x root root 0755\nfile /x root root 0755\n", "m").error().text() ==
        "m: line 2: not a manifest line");
  CHECK_FALSE(Manifest::parse("dir /x root root 0799\n", "m"));
  CHECK_FALSE(Manifest::parse("dir /x root\n", "m"));
  CHECK(Manifest::parse("# nothing\n\n", "m")->entries().empty());
}

TEST_CASE("the program carries the manifest it was built with") {
  const os::test::TemporaryDirectory nothing;
  const auto manifest = Manifest::load(system_files(), nothing.path());
  REQUIRE(manifest);
  const auto& entries = manifest->entries();
  const auto found = std::ranges::find(entries, "$queue_directory/maildrop", &ManifestEntry::path);
  REQUIRE(found != entries.end());
  CHECK(found->mode == 01770);
}

TEST_CASE("a running master is known by its lock, not by a file it left") {
  const Place place;
  REQUIRE(place.installation().make_missing());
  CHECK(*place.instance_->running() == std::nullopt);
  {
    const auto lock = daemon::InstanceLock::take(system_files(), place.directory_ / "spool/pid/master.pid");
    REQUIRE(lock);
    CHECK(*place.instance_->running() == ::getpid());
    CHECK_FALSE(place.instance_->wait_until_stopped(Seconds(0)));
  }
  CHECK(*place.instance_->running() == std::nullopt);
  CHECK(place.instance_->wait_until_stopped(Seconds(0)));
}

TEST_CASE("options of postrider are read as postfix reads them") {
  ::unsetenv("MAIL_CONFIG");
  auto request = parse_postrider({"postfix", "-c", "/etc/x", "-vv", "start"});
  REQUIRE(request);
  CHECK(request->config_directory == "/etc/x");
  CHECK(request->verbose == 2);
  CHECK(request->action == "start");
  request = parse_postrider({"postfix", "-vDc/etc/y/main.cf", "set-permissions", "a=b"});
  REQUIRE(request);
  CHECK(request->config_directory == "/etc/y");
  CHECK(request->debug);
  CHECK(request->arguments == std::vector<std::string>{"a=b"});
  CHECK(parse_postrider({"postfix", "-c", "here", "start"})->config_directory == os::absolute_path("here"));
  CHECK(os::absolute_path("here").ends_with("/here"));
  CHECK(os::absolute_path("/x") == "/x");
  CHECK(parse_postrider({"postfix"}).error().text() == "a command is missing");
  CHECK(parse_postrider({"postfix", "-x", "start"}).error().text() == "unknown option -x");
  CHECK(parse_postrider({"postfix", "-c"}).error().text() == "option -c needs a directory");
  CHECK(parse_postrider({"postfix", "--help"})->help);
}
