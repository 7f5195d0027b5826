#include "lib/mailbox/folder_name.h"

#include <catch2/catch.hpp>

using namespace postrider;
using namespace postrider::mailbox;

TEST_CASE("modified UTF-7 is RFC 3501's, both ways") {
  struct Case {
    const char* utf8;
    const char* utf7;
  };
  const Case cases[] = {
      {"", ""},
      {"INBOX", "INBOX"},
      {"A&B", "A&-B"},
      {"Entw\xc3\xbcrfe", "Entw&APw-rfe"},
      {"~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e",
       "~peter/mail/&U,BTFw-/&ZeVnLIqe-"},
      {"\xf0\x9f\x93\xae", "&2D3c7g-"},
      {"\xc3\xa4\xc3\xb6&\xc3\xbc", "&AOQA9g-&-&APw-"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.utf8);
    CHECK(utf7_encode(c.utf8) == c.utf7);
    CHECK(utf7_decode(c.utf7) == c.utf8);
  }
  for (const char* bad : {"\xff", "\xc3", "\xed\xa0\x80"}) CHECK_FALSE(utf7_encode(bad).has_value());
  // Other ways to say what has one form, and what says nothing.
  for (const char* bad : {"&", "&A", "&AGE-", "&APw", "a&APw-&APw-", "&AP-", "&APx-", "&2D0-", "&3K4-",
                          "&!!-", "\xc3\xbc", "&AAA-&"}) {
    CAPTURE(bad);
    CHECK_FALSE(utf7_decode(bad).has_value());
  }
}

TEST_CASE("folders have their Maildir++ directory and find back from it") {
  const FolderRules slash{'/', "", false}, courier{'.', "INBOX.", false}, utf8{'/', "", true};
  struct Case {
    const FolderRules* rules;
    const char* name;
    const char* directory;
  };
  const Case cases[] = {
      {&slash, "INBOX", ""},
      {&slash, "Sent", ".Sent"},
      {&slash, "Lists/Post Rider", ".Lists.Post Rider"},
      {&slash, "Entw\xc3\xbcrfe/x", ".Entw&APw-rfe.x"},
      {&courier, "INBOX.Sent.2024", ".Sent.2024"},
      {&utf8, "Entw\xc3\xbcrfe", ".Entw\xc3\xbcrfe"},
      {&slash, "cur", ".cur"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.name);
    CHECK(folder_directory(c.name, *c.rules) == c.directory);
    CHECK(folder_name(c.directory, *c.rules) == c.name);
  }
  CHECK(folder_directory("inBOX", slash) == "");
}

TEST_CASE("names that would leave the tree or collide with it are refused") {
  const FolderRules rules{'/', "", false};
  const std::string bad[] = {
      "",
      "/",
      "/etc",
      "a//b",
      "a/",
      "..",
      "../x",
      "a/../b",
      ".",
      "a.b",
      "~",
      "~root",
      "a/~b",
      "new\nline",
      "tab\t",
      std::string("nul\0", 4),
      "\xff",
      "\xe2\x80\xae",
      std::string(256, 'a'),
      "\x7f",
  };
  for (const auto& name : bad) {
    CAPTURE(name);
    const auto directory = folder_directory(name, rules);
    REQUIRE_FALSE(directory);
    CHECK(directory.error().is(Trouble::permanent));
  }
  std::string deep = "a";
  for (int i = 0; i < 1000; ++i) deep += "/a";
  CHECK_FALSE(folder_directory(deep, rules).has_value());
  const FolderRules courier{'.', "INBOX.", false};
  CHECK_FALSE(folder_directory("Sent", courier).has_value());
  CHECK_FALSE(folder_directory("INBOX.", courier).has_value());
}

TEST_CASE("directories that are no folder's are not shown") {
  const FolderRules rules{'/', "", false};
  for (const char* name : {".", "..", "cur", "...", ".a..b", ".a.", ".&", ".&AGE-", ".a/b", ".~x", ".a&AC8-b",
                           ".dovecot-uidlist.12-0.new."}) {
    CAPTURE(name);
    CHECK_FALSE(folder_name(name, rules).has_value());
  }
}

TEST_CASE("the same name in two normal forms is two folders, never one path for both") {
  const FolderRules rules{'/', "", false};
  CHECK(*folder_directory("\xc3\xa9", rules) != *folder_directory("e\xcc\x81", rules));
}
