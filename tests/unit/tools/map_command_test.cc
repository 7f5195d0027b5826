// prmap and pralias as the shell runs them: arguments in, output, messages and exit status out.
#include "tools/map_command.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <catch2/catch.hpp>

#include "lib/os/credentials.h"
#include "lib/os/files.h"

using namespace postrider;
using namespace postrider::tools;

namespace {

// A configuration and files of a test's own.
class Place {
 public:
  Place() {
    std::string pattern = "/tmp/postrider-prmap-XXXXXX";
    path_ = mkdtemp(pattern.data());
    write("main.cf", "myhostname = mail.example.org\ncompatibility_level = 3.6\n");
  }
  ~Place() { std::filesystem::remove_all(path_); }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

  std::string path(const std::string& name) const { return path_ + "/" + name; }
  std::string write(const std::string& name, std::string_view text) const {
    std::ofstream(path(name), std::ios::binary) << text;
    return path(name);
  }
  std::string read(const std::string& name) const {
    std::ifstream in(path(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  // "name arg arg" with the scratch directory for "@", and standard input from `input`.
  int run(MapKind kind, const std::string& command, std::string_view input = "") {
    std::vector<std::string> arguments;
    std::istringstream words(command);
    for (std::string word; words >> word;) {
      for (std::size_t at; (at = word.find('@')) != std::string::npos;) word.replace(at, 1, path_ + "/");
      arguments.push_back(word == "\"\"" ? "" : word);
    }
    arguments.insert(arguments.begin() + 1, {"-c", path_});
    write("stdin", input);
    const int in = open(path("stdin").c_str(), O_RDONLY);
    const int out = open(path("stdout").c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
    log = std::make_unique<MemoryLog>();
    const int status = run_map_command(arguments, kind, {.in = in, .out = out, .log = *log});
    close(in);
    close(out);
    output = read("stdout");
    return status;
  }
  int prmap(const std::string& rest, std::string_view input = "") {
    return run(MapKind::map, "prmap " + rest, input);
  }
  int pralias(const std::string& rest, std::string_view input = "") {
    return run(MapKind::alias, "pralias " + rest, input);
  }
  // The messages with the directory shown as "@".
  std::string said() const {
    std::string text = log->text();
    for (std::size_t at; (at = text.find(path_ + "/")) != std::string::npos;)
      text.replace(at, path_.size() + 1, "@");
    return text;
  }

  std::string output;
  std::unique_ptr<MemoryLog> log;

 private:
  std::string path_;
};

std::string sorted_lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  std::ranges::sort(lines);
  std::string out;
  for (const std::string& line : lines) out += line + "\n";
  return out;
}

}  // namespace

TEST_CASE("a map is built with a warning for each bad line and asked afterwards") {
  Place place;
  place.write(
      "m",
      "# comment\n leading value\nKey1  value one  \n  continued\n\n\"quo ted\"~Example.com x\n\"unbal  x\n"
      "novalue\nalias: v\nkey1 dup\n");
  CHECK(place.prmap("@m") == 0);
  CHECK(place.said() ==
        "warning: @m: logical line must not start with whitespace: \" leading value\"\n"
        "warning: @m, line 7: unbalanced '\"' in '\"unbal  x' -- ignoring this line\n"
        "warning: @m, line 8: expected format: key whitespace value\n"
        "warning: @m, line 9: record is in \"key: value\" format; is this an alias file?\n"
        "warning: @m.db: duplicate entry: \"key1\"\n");
  CHECK(place.prmap("-s @m") == 0);
  CHECK(sorted_lines(place.output) ==
        "\"quo ted\"~example.com\tx\nalias:\tv\nkey1\tvalue one    continued\n");
  CHECK(place.prmap("-q KEY1 @m") == 0);
  CHECK(place.output == "value one    continued\n");
  CHECK(place.prmap("-q nokey @m") == 1);
  CHECK(place.output.empty());
  CHECK(place.log->text().empty());
}

TEST_CASE("keys come from standard input one a line") {
  Place place;
  place.write("m", "a 1\nb 2\n");
  CHECK(place.prmap("@m") == 0);
  CHECK(place.prmap("-q - @m", "a\nx\nb") == 0);
  CHECK(place.output == "a\t1\nb\t2\n");
  CHECK(place.prmap("-q - @m", "x\n") == 1);
  CHECK(place.prmap("-d - @m", "x\na\n") == 0);
  CHECK(place.prmap("-s @m") == 0);
  CHECK(place.output == "b\t2\n");
  CHECK(place.prmap("-d a @m") == 1);
}

TEST_CASE("the first of several maps that has the key answers") {
  Place place;
  const std::string maps = "inline:{a=1} inline:{a=2,b=3}";
  CHECK(place.prmap("-q a " + maps) == 0);
  CHECK(place.output == "1\n");
  CHECK(place.prmap("-q b " + maps) == 0);
  CHECK(place.output == "3\n");
}

TEST_CASE("what cannot be done is fatal in Postfix's words") {
  Place place;
  place.write("m", "a 1\n");
  place.write("re", "/a/ 1\n");
  struct Case {
    const char* command;
    const char* message;
  };
  const std::string usage =
      "usage: prmap [-bfFhijmnNoprsuUvw] [-c config_dir] [-d key] [-q key] [map_type:]file...";
  for (const Case& c : {Case{"@none", "open @none: No such file or directory"},
                        Case{"-q x foo:bar", "unsupported dictionary type: foo"},
                        Case{"foo:@m", "unsupported dictionary type: foo"},
                        Case{"texthash:@m", "unsupported map type for this operation: texthash"},
                        Case{"-q x @none", "open database @none.db: No such file or directory"},
                        Case{"-d x @none", "open database @none.db: No such file or directory"},
                        Case{"-d x regexp:@re", "regexp:@re map requires O_RDONLY access mode"},
                        Case{"-s static:x", "table static:x: sequence operation is not supported"},
                        Case{"-q x fail:y", "table fail:y: query error: fail:y: this table always fails"},
                        Case{"-s -q x @m", "specify only one of -s or -q or -d"},
                        Case{"-q x -d y @m", "specify only one of -s or -q or -d"},
                        Case{"-h -q x @m", "specify -b or -h or -bh only with \"-q -\""},
                        Case{"", usage.c_str()}, Case{"-Z @m", usage.c_str()}, Case{"-q", usage.c_str()}}) {
    INFO(c.command);
    CHECK(place.prmap(c.command) == 1);
    CHECK(place.said() == std::string("fatal: ") + c.message + "\n");
  }
  CHECK(place.pralias("-b @m") == 1);
  CHECK(place.said() ==
        "fatal: usage: pralias [-Nfijnoprsuvw] [-c config_dir] [-d key] [-q key] [map_type:]file...\n");
}

TEST_CASE("entries are added to what is there, kept or replaced as asked") {
  Place place;
  place.write("m", "a 1\n");
  CHECK(place.prmap("@m") == 0);
  CHECK(place.prmap("-i @m", "a 2\nb 3\n") == 0);
  CHECK(place.said() == "warning: @m.db: duplicate entry: \"a\"\n");
  CHECK(place.prmap("-iw @m", "a 2\n") == 0);
  CHECK(place.said().empty());
  CHECK(place.prmap("-q a @m") == 0);
  CHECK(place.output == "1\n");
  CHECK(place.prmap("-ir @m", "a 2\n") == 0);
  CHECK(place.said().empty());
  CHECK(place.prmap("-s @m") == 0);
  CHECK(sorted_lines(place.output) == "a\t2\nb\t3\n");
  CHECK(place.prmap("-i @new", "x y\n") == 0);
  CHECK(place.prmap("-q x @new") == 0);
}

TEST_CASE("every kind of database is built, and the default type is main.cf's") {
  Place place;
  place.write("m", "a 1\n");
  for (const char* type : {"hash", "btree", "lmdb", "cdb"}) {
    INFO(type);
    CHECK(place.prmap(std::string(type) + ":@m") == 0);
    CHECK(place.prmap(std::string("-q a ") + type + ":@m") == 0);
    CHECK(place.output == "1\n");
  }
  place.write("main.cf", "default_database_type = cdb\n");
  CHECK(place.prmap("@other") == 1);
  place.write("other", "a 1\n");
  CHECK(place.prmap("@other") == 0);
  CHECK(os::system_files().stat(place.path("other.cdb")).has_value());
}

TEST_CASE("a new database has the source's group and other read permissions") {
  Place place;
  place.write("m", "a 1\n");
  const auto mode = [&] { return os::system_files().stat(place.path("m.db"))->mode; };
  chmod(place.path("m").c_str(), 0640);
  CHECK(place.prmap("@m") == 0);
  CHECK(mode() == 0640);
  unlink(place.path("m.db").c_str());
  CHECK(place.prmap("-p @m") == 0);
  CHECK(mode() == 0644);
  chmod(place.path("m").c_str(), 0600);
  CHECK(place.prmap("@m") == 0);
  CHECK(mode() == 0644);
}

TEST_CASE("a map of another user is built with that user's rights") {
  if (!os::running_as_root()) return;
  Place place;
  place.write("m", "a 1\n");
  REQUIRE(chown(place.path("m").c_str(), 65534, 65534) == 0);
  // The directory is root's: the owner of the file may not write there.
  CHECK(place.prmap("@m") == 1);
  CHECK(place.said() == "fatal: open database @m.db: Permission denied\n");
  REQUIRE(chown(place.path("").c_str(), 65534, 65534) == 0);
  CHECK(place.prmap("@m") == 0);
  CHECK(os::system_files().stat(place.path("m.db"))->uid == 65534);
  CHECK(os::running_as_root());
  // With -o root would leave its own file there for somebody else to swap.
  unlink(place.path("m.db").c_str());
  CHECK(place.prmap("-o @m") == 1);
  CHECK(place.said().starts_with("fatal: refusing to create @m.db with root ownership: directory "));
  place.write("mine", "a 1\n");
  CHECK(place.prmap("@mine") == 1);
}

TEST_CASE("folding, UTF-8 and terminators follow the options") {
  Place place;
  place.write("m", "Key 1\n\xc3\x84 2\n\xff 3\n");
  CHECK(place.prmap("@m") == 0);
  CHECK(place.said() == "warning: @m, line 3: non-UTF-8 input \"\xff 3\" -- ignoring this line\n");
  CHECK(place.prmap("-q \xc3\xa4 @m") == 0);
  CHECK(place.prmap("-f @m") == 0);
  CHECK(place.prmap("-fs @m") == 0);
  CHECK(place.output.find("Key\t1\n") != std::string::npos);
  CHECK(place.prmap("-u @m") == 0);
  CHECK(place.said().empty());
  CHECK(place.prmap("-u -q \xff @m") == 0);
  for (const char* option : {"-n", "-N"}) {
    CHECK(place.prmap(std::string(option) + " @m") == 0);
    CHECK(place.prmap("-q key @m") == 0);
    CHECK((place.read("m.db").find(std::string("key\0", 4)) != std::string::npos) == (option[1] == 'N'));
  }
}

TEST_CASE("values may be the content of files") {
  Place place;
  place.write("one", "first\n");
  place.write("two", std::string("\0\xff", 2));
  place.write("m",
              "k " + place.path("one") + ", " + place.path("two") + "\nbad " + place.path("none") + "\n");
  CHECK(place.prmap("-F @m") == 0);
  CHECK(place.said() == "warning: @m, line 2: open @none: No such file or directory: skipping this entry\n");
  CHECK(place.prmap("-q k @m") == 0);
  CHECK(place.output == "Zmlyc3QKCgD/\n");
  CHECK(place.prmap("-Fq k @m") == 0);
  CHECK(place.output == std::string("first\n\n\0\xff\n", 10));
}

TEST_CASE("JSON output is one object a line") {
  Place place;
  place.write("m", "\"k\\\\\" a \"quoted\" \\ value\n");
  CHECK(place.prmap("@m") == 0);
  CHECK(place.prmap("-js @m") == 0);
  CHECK(place.output == R"({"\"k\\\\\"": "a \"quoted\" \\ value"})"
                        "\n");
  CHECK(place.prmap("-jq a inline:{a=b}") == 0);
  CHECK(place.output == "{\"a\": \"b\"}\n");
}

TEST_CASE("a message is taken apart into the keys that header and body checks would see") {
  Place place;
  place.write("any", "/^/ X\n");
  const std::string message =
      "Subject: one\n two\nX-Empty:\nContent-Type: multipart/mixed;\n boundary=\"b:1\"\n\npreamble\n--b:1\n"
      "Content-Type: text/plain\n\nbody one\n--b:1\nContent-Type: message/rfc822\n\nSubject: inner\n\ninner "
      "body\n"
      "--b:1--\nepilogue\n";
  CHECK(place.prmap("-h -q - pcre:@any", message) == 0);
  CHECK(place.output ==
        "Subject: one\n two\tX\nX-Empty:\tX\nContent-Type: multipart/mixed;\n boundary=\"b:1\"\tX\n");
  CHECK(place.prmap("-b -q - pcre:@any", "A: b\n\none\n\ntwo\n") == 0);
  CHECK(place.output == "one\tX\n\tX\ntwo\tX\n");
  CHECK(place.prmap("-hm -q - pcre:@any", message) == 0);
  CHECK(place.output ==
        "Subject: one\n two\tX\nX-Empty:\tX\nContent-Type: multipart/mixed;\n boundary=\"b:1\"\tX\n"
        "Content-Type: text/plain\tX\nContent-Type: message/rfc822\tX\nSubject: inner\tX\n");
  CHECK(place.prmap("-bm -q - pcre:@any", message) == 0);
  CHECK(place.output == "preamble\tX\nbody one\tX\ninner body\tX\nepilogue\tX\n");
}

TEST_CASE("an alias database holds the aliases and what sendmail and NIS look for") {
  Place place;
  place.write(
      "al",
      "a: b, c\nd: \"|foo bar\"\n e\nbad line\nx~y: z\n\"q r\": s\nroot: :include:/a/b\nnone:\nA: dup\n"
      "u: \"unbal\nM-D: Foo <z@w>\n");
  // In the text "~" stands where "@" would be replaced by the directory.
  place.write("al", [&] {
    std::string text = place.read("al");
    std::ranges::replace(text, '~', '@');
    return text;
  }());
  CHECK(place.pralias("@al") == 0);
  CHECK(place.said() ==
        "warning: @al, line 4: need name:value pair\n"
        "warning: @al, line 5: name must be local\n"
        "warning: @al, line 8: need name:value pair\n"
        "warning: @al.db: duplicate entry: \"a\"\n"
        "warning: @al, line 10: unbalanced '\"' -- ignoring this line\n");
  CHECK(place.pralias("-s @al") == 0);
  std::string listed = sorted_lines(place.output);
  CHECK(listed.starts_with("@:\t@\nYP_LAST_MODIFIED:\t"));
  CHECK(listed.find("\nYP_MASTER_NAME:\t") != std::string::npos);
  CHECK(listed.ends_with("\na:\tb, c\nd:\t\"|foo bar\" e\nm-d:\tFoo <z@w>\nq r:\ts\nroot:\t:include:/a/b\n"));
  CHECK(place.pralias("-q A @al") == 0);
  CHECK(place.output == "b, c\n");
  CHECK(place.pralias("-i @al", "new: x\n") == 0);
  CHECK(place.said().empty());
  CHECK(place.pralias("-q new @al") == 0);
}

TEST_CASE("several alias databases are built in one go, up to the first that cannot be") {
  Place place;
  place.write("one", "a: b\n");
  place.write("two", "c: d\n");
  CHECK(place.pralias("hash:@one btree:@two") == 0);
  CHECK(place.pralias("-q c btree:@two") == 0);
  CHECK(place.pralias("hash:@none hash:@one") == 1);
  CHECK(place.said() == "fatal: open @none: No such file or directory\n");
}

TEST_CASE("help is printed and ends well") {
  Place place;
  CHECK(place.prmap("--help") == 0);
  CHECK(place.output.starts_with("prmap: "));
  CHECK(place.pralias("--help") == 0);
  CHECK(place.output.starts_with("pralias: "));
}
