// cdb: constant databases. Readers map the file; it is only ever replaced whole. A change reads the
// current table and writes it anew.
#include <map>

#include <cdb.h>
#include <fcntl.h>
#include <fmt/format.h>

#include "lib/os/files.h"
#include "lib/table/database_file.h"
#include "lib/table/fold.h"
#include "lib/table/types.h"
#include "lib/table/writers.h"

namespace postrider::table {

namespace {

// An open database with the descriptor it is mapped from.
class CdbFile {
 public:
  static Result<std::unique_ptr<CdbFile>> open(const std::string& path, os::Files& files) {
    Result<os::Fd> fd = files.open(path, O_RDONLY);
    if (!fd) return fail(fd.error());
    auto made = std::make_unique<CdbFile>();
    made->fd_ = std::move(*fd);
    if (cdb_init(&made->cdb_, made->fd_.get()) != 0) return fail_errno("cdb");
    made->ready_ = true;
    return made;
  }
  CdbFile() = default;
  CdbFile(const CdbFile&) = delete;
  CdbFile& operator=(const CdbFile&) = delete;
  ~CdbFile() {
    if (ready_) cdb_free(&cdb_);
  }

  Result<std::optional<std::string>> get(std::string_view key) {
    const int found = cdb_find(&cdb_, key.data(), static_cast<unsigned>(key.size()));
    if (found < 0) return fail_errno("cdb");
    if (found == 0) return std::nullopt;
    const unsigned length = cdb_datalen(&cdb_);
    if (length > max_value_length + 1) return fail(Trouble::temporary, "value is too long");
    std::string value(length, '\0');
    if (cdb_read(&cdb_, value.data(), length, cdb_datapos(&cdb_)) != 0) return fail_errno("cdb");
    return value;
  }

  // Keys and values as stored.
  Result<> each(const EachEntry& visit) {
    unsigned position = 0;
    cdb_seqinit(&position, &cdb_);
    int more = 0;
    while ((more = cdb_seqnext(&position, &cdb_)) > 0) {
      const void* key = cdb_getkey(&cdb_);
      const void* value = cdb_getdata(&cdb_);
      if (key == nullptr || value == nullptr) return fail_errno("cdb");
      if (!visit({static_cast<const char*>(key), cdb_keylen(&cdb_)},
                 {static_cast<const char*>(value), cdb_datalen(&cdb_)}))
        break;
    }
    if (more < 0) return fail_errno("cdb");
    return {};
  }

 private:
  os::Fd fd_;
  cdb cdb_{};
  bool ready_ = false;
};

class Cdb final : public DatabaseTable {
 public:
  using DatabaseTable::DatabaseTable;

  Result<> each(const EachEntry& visit) override {
    if (const Result<> ready = refresh(); !ready) return ready;
    return cdb_->each([&](std::string_view key, std::string_view value) {
      return visit(without_nul(key), without_nul(value));
    });
  }

 private:
  Result<> open_database() override {
    Result<std::unique_ptr<CdbFile>> cdb = CdbFile::open(file(), context_.files);
    if (!cdb) return fail(cdb.error());
    cdb_ = std::move(*cdb);
    return {};
  }
  void close_database() override { cdb_.reset(); }
  Result<std::optional<std::string>> get(std::string_view key) override { return cdb_->get(key); }

  std::unique_ptr<CdbFile> cdb_;
};

class CdbWriter final : public Writer {
 public:
  CdbWriter(Replacement replacement, os::Fd fd, const WriterOptions& options, const Context& context)
      : replacement_(std::move(replacement)), fd_(std::move(fd)), options_(options), context_(context) {}

  Result<> load(CdbFile& current) {
    return current.each([this](std::string_view key, std::string_view value) {
      entries_.try_emplace(std::string(key), value);
      return true;
    });
  }

  Result<bool> put(std::string_view key, std::string_view value) override {
    std::string stored = context_.fold_keys ? fold(key, context_.fold_utf8) : std::string(key);
    std::string text(value);
    if (options_.nul_terminated.value_or(false)) stored += '\0', text += '\0';
    return store(std::move(stored), std::move(text));
  }

  Result<> put_marker(std::string_view key, std::string_view value) override {
    entries_.insert_or_assign(std::string(key), std::string(value));
    return {};
  }

  Result<bool> erase(std::string_view key) override {
    const std::string stored = context_.fold_keys ? fold(key, context_.fold_utf8) : std::string(key);
    const std::size_t erased = entries_.erase(stored + '\0') + entries_.erase(stored);
    return erased > 0;
  }

  Result<> commit() override {
    cdb_make make{};
    if (cdb_make_start(&make, fd_.get()) != 0) return fail_errno("cdb");
    for (const auto& [key, value] : entries_)
      if (cdb_make_add(&make, key.data(), static_cast<unsigned>(key.size()), value.data(),
                       static_cast<unsigned>(value.size())) != 0)
        return fail_errno("cdb");
    if (cdb_make_finish(&make) != 0) return fail_errno("cdb");
    fd_.reset();
    return replacement_.commit(replacement_.mode().value_or(options_.mode));
  }

  const std::string& file() const override { return replacement_.target(); }

 private:
  Result<bool> store(std::string key, std::string value) {
    if (options_.duplicates == WriterOptions::Duplicates::replace) {
      entries_.insert_or_assign(std::move(key), std::move(value));
      return true;
    }
    return entries_.try_emplace(std::move(key), std::move(value)).second;
  }

  Replacement replacement_;
  os::Fd fd_;
  std::map<std::string, std::string> entries_;
  const WriterOptions options_;
  const Context context_;
};

}  // namespace

Opened open_cdb(const std::string& name, const Context& context) {
  auto made = std::make_unique<Cdb>("cdb", name, name + ".cdb", context);
  if (const Result<> started = made->start(); !started) return fail(started.error());
  return made;
}

Made write_cdb(Replacement replacement, bool has_content, const WriterOptions& options,
               const Context& context) {
  const auto failed = [target = replacement.target()](const Error& error) {
    return fail(error.trouble(), fmt::format("open database {}: {}", target, reason(error)),
                error.os_error());
  };
  std::unique_ptr<CdbFile> current;
  if (has_content) {
    Result<std::unique_ptr<CdbFile>> opened = CdbFile::open(replacement.temporary(), context.files);
    if (!opened) return failed(opened.error());
    current = std::move(*opened);
    if (const Result<> gone = context.files.unlink(replacement.temporary()); !gone)
      return failed(gone.error());
  }
  Result<os::Fd> fd =
      context.files.open(replacement.temporary(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  if (!fd) return failed(fd.error());
  auto made = std::make_unique<CdbWriter>(std::move(replacement), std::move(*fd), options, context);
  if (current) {
    if (const Result<> loaded = made->load(*current); !loaded) return failed(loaded.error());
  }
  return made;
}

}  // namespace postrider::table
