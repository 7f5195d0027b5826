// dovecot-uidlist: which UID each message file has. Byte-compatible with Dovecot, version 3 written,
// versions 3 and 1 (Courier's courierimapuiddb) read.
//
//   3 V<uidvalidity> N<next uid> G<mailbox guid, 32 hex>[ <Letter><value>]...
//   <uid>[ <Letter><value>]... :<base name>
//
// Used by Maildir under the dot lock. What is in the file may be anything; a list that breaks its own
// rules is refused as a whole, since a wrong UID is worse than new ones.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/error.h"
#include "lib/mailbox/text_arena.h"

namespace postrider::mailbox {

// Views into the list's own memory, valid for its life.
struct UidRecord {
  std::uint32_t uid = 0;
  std::string_view fields;  // " <Letter><value>" each, as read, unknown letters included; may be empty
  std::string_view base;    // never empty, no '/', no ':'
};

// The value of one field ('W', 'S', 'P', 'O', 'G'); empty when absent.
std::string_view uid_field(std::string_view fields, char letter);
// `fields` with that field set.
std::string with_uid_field(std::string_view fields, char letter, std::string_view value);

class Uidlist {
 public:
  // permanent: not a list this can read. A last line without newline (a torn append) is dropped,
  // see torn().
  static Result<Uidlist> parse(std::string_view text);
  static Uidlist fresh(std::uint32_t uid_validity, std::string_view mailbox_guid);

  std::uint32_t uid_validity() const { return uid_validity_; }
  std::uint32_t next_uid() const { return next_uid_; }
  std::span<const UidRecord> records() const { return records_; }  // by UID, strictly increasing
  // Whether the file must be rewritten before anything can be appended: torn, version 1, no guid.
  bool torn() const { return torn_; }
  void mark_written() { torn_ = false; }
  std::string_view guid() const { return uid_field(header_fields_, 'G'); }  // empty: it has none

  // Gives `base` the next UID. permanent: UIDs are used up.
  Result<std::uint32_t> add(std::string_view base);
  void set_guid(std::string_view mailbox_guid);
  void set_fields(std::size_t record, std::string_view fields);
  // Forgets the records whose UIDs are listed (sorted).
  void remove(std::span<const std::uint32_t> uids);

  std::string format() const;                                 // the whole file
  static std::string format_record(const UidRecord& record);  // one line

 private:
  Uidlist() = default;
  std::uint32_t uid_validity_ = 0;
  std::uint32_t next_uid_ = 1;
  bool torn_ = false;
  std::string header_fields_;  // " G… P…", everything but V and N
  TextArena text_;
  std::vector<UidRecord> records_;
};

}  // namespace postrider::mailbox
