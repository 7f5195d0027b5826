// hash: and btree: on Berkeley DB 5.3, laid out as Postfix writes them: key and value each with its
// trailing NUL. Files are read through the library's own cache, never mapped, so that a file that is
// cut short under us is an error and not a signal.
#include <db.h>
#include <fmt/format.h>

#include "lib/table/database_file.h"
#include "lib/table/fold.h"
#include "lib/table/types.h"
#include "lib/table/writers.h"

namespace postrider::table {

namespace {

struct CloseDb {
  void operator()(DB* db) const { db->close(db, DB_NOSYNC); }
};
using Db = std::unique_ptr<DB, CloseDb>;

void swallow(const DB_ENV*, const char*, const char*) {}

std::unexpected<Error> fail_db(int status) {
  if (status > 0) return fail(Error::from_errno(status, "Berkeley DB"));
  return fail(Trouble::temporary, db_strerror(status));
}

DBT thing(std::string_view bytes) {
  DBT dbt{};
  dbt.data = const_cast<char*>(bytes.data());
  dbt.size = static_cast<u_int32_t>(bytes.size());
  return dbt;
}

std::string_view bytes_of(const DBT& dbt) { return {static_cast<const char*>(dbt.data), dbt.size}; }

Result<Db> open_db(const std::string& path, DBTYPE type, u_int32_t flags, std::size_t cache) {
  DB* raw = nullptr;
  if (const int status = db_create(&raw, nullptr, 0); status != 0) return fail_db(status);
  Db db(raw);
  // The library would write to standard error; the status says it all.
  db->set_errcall(db.get(), swallow);
  if (const int status = db->set_cachesize(db.get(), 0, static_cast<u_int32_t>(cache), 1); status != 0)
    return fail_db(status);
  if (const int status = db->open(db.get(), nullptr, path.c_str(), nullptr, type, flags, 0600); status != 0)
    return fail_db(status);
  DBTYPE actual = DB_UNKNOWN;
  if (db->get_type(db.get(), &actual) != 0 || (actual != DB_HASH && actual != DB_BTREE))
    return fail(Trouble::configuration, "not a hash or btree database");
  return db;
}

class Berkeley final : public DatabaseTable {
 public:
  using DatabaseTable::DatabaseTable;

  Result<> each(const EachEntry& visit) override {
    if (const Result<> ready = refresh(); !ready) return ready;
    DBC* cursor = nullptr;
    if (const int status = db_->cursor(db_.get(), nullptr, &cursor, 0); status != 0) return fail_db(status);
    int status = 0;
    while (true) {
      DBT key{};
      DBT value{};
      status = cursor->get(cursor, &key, &value, DB_NEXT);
      if (status != 0) break;
      if (!visit(without_nul(bytes_of(key)), without_nul(bytes_of(value)))) break;
    }
    cursor->close(cursor);
    if (status != 0 && status != DB_NOTFOUND) return fail_db(status);
    return {};
  }

 private:
  Result<> open_database() override {
    Result<Db> db = open_db(file(), DB_UNKNOWN, DB_RDONLY | DB_NOMMAP, context_.berkeley_read_buffer);
    if (!db) return fail(db.error());
    db_ = std::move(*db);
    return {};
  }

  void close_database() override { db_.reset(); }

  Result<std::optional<std::string>> get(std::string_view key) override {
    DBT wanted = thing(key);
    DBT value{};
    const int status = db_->get(db_.get(), nullptr, &wanted, &value, 0);
    if (status == DB_NOTFOUND) return std::nullopt;
    if (status != 0) return fail_db(status);
    return std::string(bytes_of(value));
  }

  Db db_;
};

class BerkeleyWriter final : public Writer {
 public:
  BerkeleyWriter(Replacement replacement, Db db, const WriterOptions& options, const Context& context)
      : replacement_(std::move(replacement)), db_(std::move(db)), options_(options), context_(context) {}

  Result<bool> put(std::string_view key, std::string_view value) override {
    const std::string stored = context_.fold_keys ? fold(key, context_.fold_utf8) : std::string(key);
    const std::size_t nul = options_.nul_terminated.value_or(true) ? 1 : 0;
    const std::string text(value);
    // std::string keeps a NUL behind its text.
    return store({stored.data(), stored.size() + nul}, {text.data(), text.size() + nul},
                 options_.duplicates == WriterOptions::Duplicates::replace);
  }

  Result<> put_marker(std::string_view key, std::string_view value) override {
    const Result<bool> stored = store(key, value, true);
    if (!stored) return fail(stored.error());
    return {};
  }

  Result<bool> erase(std::string_view key) override {
    const std::string stored = context_.fold_keys ? fold(key, context_.fold_utf8) : std::string(key);
    bool erased = false;
    for (const std::size_t nul : {std::size_t{1}, std::size_t{0}}) {
      DBT wanted = thing({stored.data(), stored.size() + nul});
      const int status = db_->del(db_.get(), nullptr, &wanted, 0);
      if (status != 0 && status != DB_NOTFOUND) return fail_db(status);
      erased = erased || status == 0;
    }
    return erased;
  }

  Result<> commit() override {
    if (const int status = db_->sync(db_.get(), 0); status != 0) return fail_db(status);
    db_.reset();
    return replacement_.commit(replacement_.mode().value_or(options_.mode));
  }

  const std::string& file() const override { return replacement_.target(); }

 private:
  Result<bool> store(std::string_view key, std::string_view value, bool replace) {
    DBT stored_key = thing(key);
    DBT stored_value = thing(value);
    const int status = db_->put(db_.get(), nullptr, &stored_key, &stored_value, replace ? 0 : DB_NOOVERWRITE);
    if (status == DB_KEYEXIST) return false;
    if (status != 0) return fail_db(status);
    return true;
  }

  Replacement replacement_;  // outlives the handle, which is closed before the file is removed
  Db db_;
  const WriterOptions options_;
  const Context context_;
};

Opened open_berkeley(std::string_view type, const std::string& name, const Context& context) {
  auto made = std::make_unique<Berkeley>(std::string(type), name, name + ".db", context);
  if (const Result<> started = made->start(); !started) return fail(started.error());
  return made;
}

Made write_berkeley(DBTYPE type, Replacement replacement, bool has_content, const WriterOptions& options,
                    const Context& context) {
  Result<Db> db =
      has_content
          ? open_db(replacement.temporary(), DB_UNKNOWN, 0, context.berkeley_create_buffer)
          : open_db(replacement.temporary(), type, DB_CREATE | DB_EXCL, context.berkeley_create_buffer);
  if (!db)
    return fail(db.error().trouble(),
                fmt::format("open database {}: {}", replacement.target(), reason(db.error())),
                db.error().os_error());
  return std::make_unique<BerkeleyWriter>(std::move(replacement), std::move(*db), options, context);
}

}  // namespace

Opened open_hash(const std::string& name, const Context& context) {
  return open_berkeley("hash", name, context);
}
Opened open_btree(const std::string& name, const Context& context) {
  return open_berkeley("btree", name, context);
}

Made write_hash(Replacement replacement, bool has_content, const WriterOptions& options,
                const Context& context) {
  return write_berkeley(DB_HASH, std::move(replacement), has_content, options, context);
}
Made write_btree(Replacement replacement, bool has_content, const WriterOptions& options,
                 const Context& context) {
  return write_berkeley(DB_BTREE, std::move(replacement), has_content, options, context);
}

}  // namespace postrider::table
