#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "tools/prconf.h"

using namespace postrider;
using tools::Console;

namespace {

// A configuration directory that goes away with the test.
class Site {
 public:
  explicit Site(const std::string& main_cf, const std::string& master_cf = "") {
    REQUIRE(::mkdtemp(directory_.data()) != nullptr);
    write("main.cf", main_cf);
    write("master.cf", master_cf);
  }
  Site(const Site&) = delete;
  Site& operator=(const Site&) = delete;
  ~Site() { std::filesystem::remove_all(directory_); }

  void write(const std::string& name, const std::string& text) {
    std::ofstream(directory_ + "/" + name) << text;
  }
  std::string read(const std::string& name) const {
    std::ifstream in(directory_ + "/" + name);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
  }
  const std::string& directory() const { return directory_; }

  // What the command prints and how it ends.
  struct Answer {
    int status;
    std::string out;
    std::string err;
  };
  Answer run(std::vector<std::string> arguments, const std::string& program = "prconf") const {
    arguments.insert(arguments.begin(), {"/usr/sbin/" + program, "-c", directory_});
    Console console;
    const int status = tools::run_prconf(arguments, console);
    std::string err = console.err;
    for (std::size_t at = err.find(directory_); at != std::string::npos; at = err.find(directory_))
      err.replace(at, directory_.size(), "DIR");
    return {status, console.out, err};
  }

 private:
  std::string directory_ = "/tmp/prconf-test-XXXXXX";
};

constexpr const char* main_cf =
    "compatibility_level = 3.6\n"
    "myhostname = x.example.org\n"
    "mydestination = $myhostname, localhost.$mydomain,\n   localhost\n"
    "mine = a  b\n"
    "relayhost = $mine\n";

constexpr const char* master_cf =
    "smtp      inet  n       -       y       -       -       smtpd\n"
    "submission inet n       -       y       -       -       smtpd\n"
    "  -o syslog_name=postfix/submission\n"
    "# inside\n"
    "  -o { myorigin = a, b } -v\n"
    "maildrop  unix  -       n       n       -       -       pipe\n"
    "  flags=DRXhu user=vmail argv=/usr/bin/maildrop -d ${recipient}\n";

}  // namespace

TEST_CASE("-n prints what is set, sorted, white space as single spaces") {
  const Site site(main_cf);
  const auto answer = site.run({"-n"});
  CHECK(answer.status == 0);
  CHECK(answer.out == "compatibility_level = 3.6\nconfig_directory = " + site.directory() +
                          "\nmine = a b\nmydestination = $myhostname, localhost.$mydomain, localhost\n"
                          "myhostname = x.example.org\nrelayhost = $mine\n");
  CHECK(answer.err.empty());
}

TEST_CASE("what -n prints is a main.cf that -n prints again") {
  const Site site(main_cf);
  const std::string first = site.run({"-n"}).out;
  site.run({"-q"});
  Site again(first);
  const std::string second = again.run({"-n"}).out;
  again.write("main.cf", second);
  CHECK(again.run({"-n"}).out == second);
  CHECK(site.run({"-nf"}).out == first);
}

TEST_CASE("an overridden entry is told in postconf's words under the name that was called") {
  const Site site("myhostname = a.b\nmyhostname = c.d\n");
  CHECK(site.run({"-n"}).err ==
        "prconf: warning: DIR/main.cf, line 2: overriding earlier entry: myhostname=a.b\n");
  CHECK(site.run({"-n"}, "postconf").err ==
        "postconf: warning: DIR/main.cf, line 2: overriding earlier entry: myhostname=a.b\n");
}

TEST_CASE("named parameters print in the order asked for") {
  const Site site(main_cf);
  CHECK(site.run({"relayhost", "myhostname"}).out == "relayhost = $mine\nmyhostname = x.example.org\n");
  CHECK(site.run({"-h", "myhostname"}).out == "x.example.org\n");
  CHECK(site.run({"-H", "myhostname"}).out == "myhostname\n");
  CHECK(site.run({"-x", "mydestination"}).out ==
        "mydestination = x.example.org, localhost.example.org, localhost\n");
  CHECK(site.run({"-d", "relayhost"}).out == "relayhost =\n");
  CHECK(site.run({"-d", "mydestination"}).out ==
        "mydestination = $myhostname, localhost.$mydomain, localhost\n");
  CHECK(site.run({"-o", "myhostname=q.r", "-xh", "myorigin"}).out == "q.r\n");
  CHECK(site.run({"-j", "mine"}).out == "{\"name\": \"mine\", \"value\": \"a  b\"}\n");
}

TEST_CASE("an unknown name draws a warning and the nearest one") {
  const Site site(main_cf);
  const auto answer = site.run({"myhostnam", "utterly_unheard_of"});
  CHECK(answer.status == 0);
  CHECK(answer.out.empty());
  CHECK(answer.err ==
        "prconf: warning: myhostnam: unknown parameter (did you mean myhostname?)\n"
        "prconf: warning: utterly_unheard_of: unknown parameter\n");
}

TEST_CASE("a parameter of Postfix that has no effect here prints as empty, with a warning") {
  const auto answer = Site("").run({"qmqpd_timeout"});
  CHECK(answer.status == 0);
  CHECK(answer.out == "qmqpd_timeout =\n");
  CHECK(answer.err == "prconf: warning: qmqpd_timeout: known to Postfix, without effect here\n");
}

TEST_CASE("a main.cf as Debian writes it is accepted unchanged") {
  const std::string debian =
      "# See /usr/share/postfix/main.cf.dist for a commented, more complete version\n\n"
      "smtpd_banner = $myhostname ESMTP $mail_name (Debian/GNU)\nbiff = no\n\n"
      "# appending .domain is the MUA's job.\nappend_dot_mydomain = no\n\n"
      "readme_directory = no\ncompatibility_level = 3.6\n\n# TLS parameters\n"
      "smtpd_tls_cert_file=/etc/ssl/certs/ssl-cert-snakeoil.pem\n"
      "smtpd_tls_key_file=/etc/ssl/private/ssl-cert-snakeoil.key\nsmtpd_tls_security_level=may\n\n"
      "smtp_tls_CApath=/etc/ssl/certs\nsmtp_tls_security_level=may\n"
      "smtp_tls_session_cache_database = btree:${data_directory}/smtp_scache\n\n"
      "smtpd_relay_restrictions = permit_mynetworks permit_sasl_authenticated defer_unauth_destination\n"
      "myhostname = mail.example.org\nalias_maps = hash:/etc/aliases\nalias_database = hash:/etc/aliases\n"
      "mydestination = $myhostname, mail.example.org, localhost.example.org, , localhost\nrelayhost = \n"
      "mynetworks = 127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128\nmailbox_size_limit = 0\n"
      "recipient_delimiter = +\ninet_interfaces = all\ninet_protocols = all\n";
  const Site site(debian, "smtp inet n - y - - smtpd\n");
  const auto answer = site.run({"--check"});
  INFO(answer.err);
  CHECK(answer.status == 0);
  CHECK(answer.err.find("did you mean") == std::string::npos);
  CHECK(answer.err.find("undefined") == std::string::npos);
}

TEST_CASE("names without effect are told unless -q") {
  const Site site("myhostnme = x\nrelayhost = $nowhere\n");
  CHECK(site.run({"-n"}).err ==
        "prconf: warning: DIR/main.cf: undefined parameter: nowhere\n"
        "prconf: warning: DIR/main.cf: unused parameter: myhostnme=x (did you mean myhostname?)\n");
  CHECK(site.run({"-nq"}).err.empty());
}

TEST_CASE("classes select") {
  const Site site(main_cf);
  CHECK(site.run({"-n", "-C", "user"}).out == "mine = a b\n");
  CHECK(site.run({"-n", "-C", "builtin"}).out.find("mine =") == std::string::npos);
  const auto bad = site.run({"-C", "foo"});
  CHECK(bad.status == 1);
  CHECK(bad.err == "prconf: fatal: unknown -C option value \"foo\" in \"foo\"\n");
}

TEST_CASE("-f breaks lines before column 80") {
  CHECK(tools::folded_line("a = " + std::string(60, 'b') + "  " + std::string(12, 'c') + " d", true) ==
        "a = " + std::string(60, 'b') + " " + std::string(12, 'c') + " d");
  CHECK(tools::folded_line("a = " + std::string(60, 'b') + "  " + std::string(16, 'c') + " d", true) ==
        "a = " + std::string(60, 'b') + "\n    " + std::string(16, 'c') + " d");
  CHECK(tools::folded_line("a = " + std::string(76, 'b') + " #c", true) ==
        "a = " + std::string(76, 'b') + " #c");
  CHECK(tools::folded_line(" a =\t\n b ", false) == "a = b");
}

TEST_CASE("-e sets, -X removes and -# comments out, and nothing else changes") {
  const Site site("# top\nmyhostname = a\nrelayhost = x\n  # in\n  y\n");
  CHECK(site.run({"-e", "myhostname = b", "mine="}).status == 0);
  CHECK(site.read("main.cf") == "# top\nmyhostname = b\nrelayhost = x\n  # in\n  y\nmine = \n");
  CHECK(site.run({"myhostname=c"}).status == 0);
  CHECK(site.run({"-X", "mine"}).status == 0);
  CHECK(site.run({"-#", "relayhost"}).status == 0);
  CHECK(site.read("main.cf") == "# top\nmyhostname = c\n#relayhost = x\n  # in\n#  y\n");
  CHECK(site.run({"-e", "cd"}).err == "prconf: fatal: missing '=' after attribute name: \"cd\"\n");
  CHECK(site.run({"-e", "a=b\nc"}).err == "prconf: fatal: -e, -X, or -# accepts no multi-line input\n");
  CHECK(site.run({"-e", "#a=b"}).err == "prconf: fatal: -e, -X, or -# accepts no comment input\n");
  CHECK(site.run({"-X", "a=b"}).err == "prconf: fatal: -X or -# requires parameter names without value\n");
}

TEST_CASE("-M prints entries in columns, folded an option a line") {
  const Site site("", master_cf);
  CHECK(site.run({"-M"}).out ==
        "smtp       inet  n       -       y       -       -       smtpd\n"
        "submission inet  n       -       y       -       -       smtpd -o syslog_name=postfix/submission "
        "-o {myorigin=a, b} -v\n"
        "maildrop   unix  -       n       n       -       -       pipe flags=DRXhu user=vmail "
        "argv=/usr/bin/maildrop -d ${recipient}\n");
  CHECK(site.run({"-Mf", "submission/inet", "maildrop"}).out ==
        "submission inet  n       -       y       -       -       smtpd\n"
        "    -o syslog_name=postfix/submission\n"
        "    -o {myorigin=a, b}\n"
        "    -v\n"
        "maildrop   unix  -       n       n       -       -       pipe flags=DRXhu\n"
        "    user=vmail argv=/usr/bin/maildrop -d ${recipient}\n");
  CHECK(site.run({"-M", "nosuch"}).err == "prconf: warning: unmatched request: \"nosuch\"\n");
  CHECK(site.run({"-Md"}).err == "prconf: fatal: with option -M, do not specify -d\n");
}

TEST_CASE("-F and -P print fields and parameters of entries") {
  const Site site("", master_cf);
  CHECK(site.run({"-F", "submission/inet/chroot"}).out == "submission/inet/chroot = y\n");
  CHECK(site.run({"-Fh", "*/inet/command"}).out ==
        "smtpd\nsmtpd -o syslog_name=postfix/submission -o {myorigin=a, b} -v\n");
  CHECK(
      site.run({"-F", "smtp/inet"}).out ==
      "smtp/inet/service = smtp\nsmtp/inet/type = inet\nsmtp/inet/private = n\nsmtp/inet/unprivileged = -\n"
      "smtp/inet/chroot = y\nsmtp/inet/wakeup = -\nsmtp/inet/process_limit = -\nsmtp/inet/command = smtpd\n");
  CHECK(site.run({"-F", "smtp/inet/nosuch"}).err ==
        "prconf: fatal: invalid service attribute name: \"nosuch\"\n");
  CHECK(site.run({"-P"}).out ==
        "submission/inet/myorigin = a, b\nsubmission/inet/syslog_name = postfix/submission\n");
  CHECK(site.run({"-Ph", "*/*/syslog_name"}).out == "postfix/submission\n");
}

TEST_CASE("-P changes one parameter of one entry and leaves the others alone") {
  const Site site("", master_cf);
  CHECK(site.run({"-P", "submission/inet/syslog_name=x", "submission/inet/relayhost=a b"}).status == 0);
  CHECK(site.read("master.cf") ==
        "smtp      inet  n       -       y       -       -       smtpd\n"
        "# inside\n"
        "submission inet  n       -       y       -       -       smtpd\n"
        "    -o syslog_name=x\n"
        "    -o {myorigin=a, b}\n"
        "    -v\n"
        "    -o {relayhost=a b}\n"
        "maildrop  unix  -       n       n       -       -       pipe\n"
        "  flags=DRXhu user=vmail argv=/usr/bin/maildrop -d ${recipient}\n");
  CHECK(site.run({"-PX", "submission/inet/myorigin"}).status == 0);
  CHECK(site.run({"-P", "submission/inet"}).out ==
        "submission/inet/relayhost = a b\nsubmission/inet/syslog_name = x\n");
  CHECK(site.run({"-P", "nosuch/inet/a=b"}).err ==
        "prconf: warning: unmatched service_name/type: \"nosuch/inet/a=b\"\n");
}

TEST_CASE("-F and -M change entries, add and remove them") {
  const Site site("", "smtp inet n - y - - smtpd\n# end\n");
  CHECK(site.run({"-F", "*/inet/chroot=n"}).status == 0);
  CHECK(site.run({"-M", "new/unix=new unix - n n - 5 pipe user=x {a b} {}"}).status == 0);
  CHECK(site.read("master.cf") ==
        "smtp       inet  n       -       n       -       -       smtpd\n# end\n"
        "new        unix  -       n       n       -       5       pipe user=x {a b} {}\n");
  CHECK(site.run({"-F", "smtp/inet/chroot=q"}).status == 1);
  CHECK(site.run({"-M#", "smtp/inet"}).status == 0);
  CHECK(site.run({"-MX", "new/unix"}).status == 0);
  CHECK(site.read("master.cf") == "#smtp       inet  n       -       n       -       -       smtpd\n# end\n");
  CHECK(site.run({"-MX", "smtp"}).err == "prconf: fatal: -Me, -MX or -M# requires service_name/type\n");
}

TEST_CASE("mistakes on the command line and in files end with status 1") {
  const Site site("a b = c\n");
  CHECK(site.run({"-n"}).err ==
        "prconf: fatal: DIR/main.cf, line 1: missing '=' after attribute name: \"a b = c\"\n");
  CHECK(site.run({"-n"}).status == 1);
  CHECK(site.run({"-nd"}).err == "prconf: fatal: specify one of -d -n\n");
  CHECK(site.run({"-Z"}).err.find("invalid option -- 'Z'") != std::string::npos);
  CHECK(site.run({"-o"}).err.find("option requires an argument -- 'o'") != std::string::npos);
  CHECK(site.run({"-d", "myorigin"}).out == "myorigin = $myhostname\n");
}

TEST_CASE("--check tells of values that a program would refuse, with their place") {
  const Site site("max_idle = soon\nmyhostnme = x\n", "smtp inet n - - - - x -o max_use=0\n");
  const auto answer = site.run({"--check"});
  CHECK(answer.status == 1);
  CHECK(answer.err.find("prconf: error: DIR/main.cf, line 1: max_idle = soon: must be a time") !=
        std::string::npos);
  CHECK(answer.err.find("prconf: warning: DIR/main.cf: unused parameter: myhostnme=x") != std::string::npos);
  CHECK(Site("", "").run({"--check"}).status == 0);
}

TEST_CASE("the installation describes itself") {
  const Site site("");
  CHECK(site.run({"-m"}).out.find("hash\n") != std::string::npos);
  CHECK(site.run({"-l"}).out == "flock\nfcntl\ndotlock\n");
  CHECK(site.run({"-T", "run-version"}).out.starts_with("OpenSSL 3"));
  CHECK(site.run({"--help"}).out.find("prconf [-dfhHjnqx]") != std::string::npos);
  const std::string manual = site.run({"--mdoc", "common"}).out;
  CHECK(manual.starts_with(".Bl -tag -width Ds\n.It Sy "));
  CHECK(manual.find(".It Sy myhostname\nThe internet host name of this mail system.\n") != std::string::npos);
  CHECK(site.run({"--mdoc", "nosuch"}).status == 1);
}

TEST_CASE("no two programs declare one parameter differently") {
  const config::Catalogue catalogue = tools::every_parameter();
  CHECK(catalogue.conflicts().empty());
  for (const std::string& name : catalogue.conflicts()) WARN(name);
  for (const auto& [name, setting] : catalogue.settings()) {
    INFO(name);
    CHECK(setting->documentation().ends_with("."));
  }
}

TEST_CASE("every default is a value that its own program accepts") {
  config::Catalogue catalogue = tools::every_parameter();
  config::Values values = config::Values::of_text("");
  catalogue.declare_in(values);
  for (const std::string& mistake : catalogue.mistakes(values)) {
    INFO(mistake);
    CHECK(mistake.empty());
  }
}
