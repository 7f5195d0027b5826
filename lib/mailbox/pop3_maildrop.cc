#include "lib/mailbox/pop3_maildrop.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <optional>

#include <fmt/core.h>

#include "lib/base/text.h"
#include "lib/mailbox/maildir.h"
#include "lib/mailbox/maildir_delivery.h"
#include "lib/mailbox/mbox_maildrop.h"
#include "lib/mailbox/pop3_uidl.h"
#include "lib/os/memory.h"

namespace postrider::mailbox {

namespace {

constexpr std::size_t header_limit = 64 * 1024;  // how far an X-UIDL: field is looked for

class MaildirMaildrop final : public Pop3Maildrop {
 public:
  MaildirMaildrop(os::Files& files, Maildir maildir, std::optional<DotLock> lock, const Pop3Options& options)
      : files_(files), maildir_(std::move(maildir)), lock_(std::move(lock)), options_(options) {}

  Result<> load();

  std::size_t count() const override { return entries_.size(); }
  std::uint64_t octets(std::size_t index) const override { return entries_[index].octets; }
  std::uint64_t total_octets() const override { return total_; }
  std::string uidl(std::size_t index) const override;
  bool seen(std::size_t index) const override { return entries_[index].seen; }
  Result<StoredMessage> read(std::size_t index) override {
    return maildir_.open_message(entries_[index].uid);
  }
  Result<> update(const Pop3Changes& changes) override;

 private:
  struct Entry {
    std::uint32_t uid = 0;
    std::uint32_t order = std::numeric_limits<std::uint32_t>::max();  // the uidlist's O field
    bool seen = false;
    std::uint64_t octets = 0;
  };

  Result<std::string> make(const MaildirMessage& message);
  std::string x_uidl(std::uint32_t uid);

  os::Files& files_;
  Maildir maildir_;
  std::optional<DotLock> lock_;
  Pop3Options options_;
  std::vector<Entry> entries_;
  std::vector<std::string> uidls_;  // empty when UID and UIDVALIDITY are all they need
  std::uint64_t total_ = 0;
};

Result<> MaildirMaildrop::load() {
  if (const auto done = maildir_.measure(); !done) return done;
  bool own_uidls =
      options_.rename_duplicates || options_.reuse_xuidl || !uidl_from_uid_alone(options_.uidl_format);
  bool own_order = false;
  os::reserve_pages(entries_, maildir_.messages().size());
  for (const auto& message : maildir_.messages()) {
    if (message.virtual_size == unknown_size) continue;  // vanished, or not a regular file
    Entry entry;
    entry.uid = message.uid;
    entry.octets = message.virtual_size;
    entry.seen = parse_maildir_name(message.name).flags.contains('S');
    if (!message.fields.empty()) {
      own_uidls = own_uidls || !uid_field(message.fields, 'P').empty();
      if (const auto order = parse_number<std::uint32_t>(uid_field(message.fields, 'O'));
          order && *order != 0) {
        entry.order = *order;
        own_order = true;
      }
    }
    total_ += entry.octets;
    entries_.push_back(entry);
  }

  if (own_uidls) {
    uidls_.reserve(entries_.size());
    for (const auto& message : maildir_.messages()) {
      if (message.virtual_size == unknown_size) continue;
      auto uidl = make(message);
      if (!uidl) return fail(uidl.error());
      uidls_.push_back(std::move(*uidl));
    }
    if (options_.reuse_xuidl) {
      for (std::size_t i = 0; i < entries_.size(); ++i) {
        if (auto own = x_uidl(entries_[i].uid); !own.empty()) uidls_[i] = std::move(own);
      }
    }
  }
  if (own_order) {
    std::vector<std::size_t> places(entries_.size());
    std::iota(places.begin(), places.end(), std::size_t{0});
    std::sort(places.begin(), places.end(), [&](std::size_t a, std::size_t b) {
      return entries_[a].order != entries_[b].order ? entries_[a].order < entries_[b].order : a < b;
    });
    std::vector<Entry> entries;
    std::vector<std::string> uidls;
    for (const auto place : places) {
      entries.push_back(entries_[place]);
      if (own_uidls) uidls.push_back(std::move(uidls_[place]));
    }
    entries_ = std::move(entries);
    uidls_ = std::move(uidls);
  }
  if (options_.rename_duplicates) rename_duplicates(uidls_);
  return {};
}

Result<std::string> MaildirMaildrop::make(const MaildirMessage& message) {
  if (const auto own = uid_field(message.fields, 'P'); !own.empty()) return make_uidl("%f", {.base = own});
  const auto base = parse_maildir_name(message.name).base;
  const auto guid = uid_field(message.fields, 'G');
  return make_uidl(options_.uidl_format, {.uid = message.uid,
                                          .uid_validity = maildir_.uid_validity(),
                                          .base = base,
                                          .guid = guid.empty() ? base : guid});
}

std::string MaildirMaildrop::x_uidl(std::uint32_t uid) {
  const auto message = maildir_.open_message(uid);
  if (!message) return {};
  std::string header(std::min<std::uint64_t>(message->length, header_limit), '\0');
  const auto got = files_.pread(message->fd.get(), header, 0);
  if (!got) return {};
  header.resize(*got);
  for (std::string_view rest = header; !rest.empty();) {
    const auto line = trim(rest.substr(0, rest.find('\n')));
    if (line.empty()) break;
    if (istarts_with(line, "x-uidl:")) {
      return make_uidl("%f", {.base = trim(line.substr(7))}).value_or("");
    }
    const auto end = rest.find('\n');
    rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
  }
  return {};
}

std::string MaildirMaildrop::uidl(std::size_t index) const {
  if (!uidls_.empty()) return uidls_[index];
  return make_uidl(options_.uidl_format,
                   {.uid = entries_[index].uid, .uid_validity = maildir_.uid_validity()})
      .value_or("");
}

Result<> MaildirMaildrop::update(const Pop3Changes& changes) {
  Result<> result;
  std::vector<Maildir::FlagChange> flags;
  for (const auto index : changes.seen) {
    if (entries_[index].seen || std::binary_search(changes.deleted.begin(), changes.deleted.end(), index))
      continue;
    flags.push_back({entries_[index].uid, "S", ""});
  }
  if (!flags.empty()) result = maildir_.change_flags(flags);

  std::vector<std::uint32_t> uids;
  for (const auto index : changes.deleted) uids.push_back(entries_[index].uid);
  std::sort(uids.begin(), uids.end());
  if (!uids.empty()) {
    if (const auto removed = maildir_.expunge(uids); !removed) result = removed;
  }
  return result;
}

}  // namespace

Result<std::unique_ptr<Pop3Maildrop>> Pop3Maildrop::open(os::Files& files, const Clock& clock, Log& log,
                                                         const MailLocation& location,
                                                         const Pop3Options& options) {
  if (const auto uidl = make_uidl(options.uidl_format, {.uid = 1, .uid_validity = 1}); !uidl)
    return fail(uidl.error());
  if (location.kind == MailLocation::Kind::mbox) return open_mbox_maildrop(files, clock, location, options);

  std::optional<DotLock> lock;
  if (options.lock_session) {
    const DotLock::Wait wait{.stale = Seconds{300}, .timeout = options.lock_timeout, .for_session = true};
    auto taken = DotLock::acquire(files, clock, location.inbox + "/dovecot-pop3-session", wait);
    if (!taken && taken.error().is(Trouble::not_found)) {
      if (const auto made = create_maildir(files, location.inbox); !made) return fail(made.error());
      taken = DotLock::acquire(files, clock, location.inbox + "/dovecot-pop3-session", wait);
    }
    if (!taken) return fail(taken.error());
    lock = std::move(*taken);
  }
  auto maildir = Maildir::open(
      files, clock, log, {.directory = location.inbox, .control = location.control, .root = location.root});
  if (!maildir) return fail(maildir.error());
  auto maildrop = std::make_unique<MaildirMaildrop>(files, std::move(*maildir), std::move(lock), options);
  if (const auto loaded = maildrop->load(); !loaded) return fail(loaded.error());
  return maildrop;
}

}  // namespace postrider::mailbox
