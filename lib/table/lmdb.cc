// lmdb: on OpenLDAP's LMDB, one file per table, laid out as Postfix writes them. Tables are replaced
// whole by our writer, so readers need no lock file.
#include <fmt/format.h>
#include <lmdb.h>

#include "lib/table/database_file.h"
#include "lib/table/fold.h"
#include "lib/table/types.h"
#include "lib/table/writers.h"

namespace postrider::table {

namespace {

struct CloseEnv {
  void operator()(MDB_env* env) const { mdb_env_close(env); }
};
using Env = std::unique_ptr<MDB_env, CloseEnv>;

struct EndTxn {
  void operator()(MDB_txn* txn) const { mdb_txn_abort(txn); }
};
using Txn = std::unique_ptr<MDB_txn, EndTxn>;

std::unexpected<Error> fail_mdb(int status) {
  if (status > 0) return fail(Error::from_errno(status, "LMDB"));
  return fail(status == MDB_MAP_FULL ? Trouble::no_space : Trouble::temporary, mdb_strerror(status));
}

MDB_val thing(std::string_view bytes) { return {bytes.size(), const_cast<char*>(bytes.data())}; }
std::string_view bytes_of(const MDB_val& val) { return {static_cast<const char*>(val.mv_data), val.mv_size}; }

Result<Env> open_env(const std::string& path, unsigned flags, std::size_t map_size) {
  MDB_env* raw = nullptr;
  if (const int status = mdb_env_create(&raw); status != 0) return fail_mdb(status);
  Env env(raw);
  if (map_size > 0)
    if (const int status = mdb_env_set_mapsize(raw, map_size); status != 0) return fail_mdb(status);
  if (const int status = mdb_env_open(raw, path.c_str(), flags | MDB_NOSUBDIR | MDB_NOLOCK, 0600);
      status != 0)
    return fail_mdb(status);
  return env;
}

Result<Txn> begin(MDB_env* env, unsigned flags) {
  MDB_txn* raw = nullptr;
  if (const int status = mdb_txn_begin(env, nullptr, flags, &raw); status != 0) return fail_mdb(status);
  return Txn(raw);
}

class Lmdb final : public DatabaseTable {
 public:
  using DatabaseTable::DatabaseTable;
  ~Lmdb() override = default;

  Result<> each(const EachEntry& visit) override {
    if (const Result<> ready = refresh(); !ready) return ready;
    const Result<Txn> txn = begin(env_.get(), MDB_RDONLY);
    if (!txn) return fail(txn.error());
    MDB_cursor* cursor = nullptr;
    if (const int status = mdb_cursor_open(txn->get(), dbi_, &cursor); status != 0) return fail_mdb(status);
    MDB_val key{};
    MDB_val value{};
    int status = 0;
    while ((status = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0)
      if (!visit(without_nul(bytes_of(key)), without_nul(bytes_of(value)))) break;
    mdb_cursor_close(cursor);
    if (status != 0 && status != MDB_NOTFOUND) return fail_mdb(status);
    return {};
  }

 private:
  Result<> open_database() override {
    Result<Env> env = open_env(file(), MDB_RDONLY | MDB_NOTLS, 0);
    if (!env) return fail(env.error());
    Result<Txn> txn = begin(env->get(), MDB_RDONLY);
    if (!txn) return fail(txn.error());
    if (const int status = mdb_dbi_open(txn->get(), nullptr, 0, &dbi_); status != 0) return fail_mdb(status);
    // Commit keeps the handle for later transactions.
    if (const int status = mdb_txn_commit(txn->release()); status != 0) return fail_mdb(status);
    env_ = std::move(*env);
    return {};
  }

  void close_database() override { env_.reset(); }

  Result<std::optional<std::string>> get(std::string_view key) override {
    // Longer keys cannot have been stored.
    if (key.empty() || key.size() > static_cast<std::size_t>(mdb_env_get_maxkeysize(env_.get())))
      return std::nullopt;
    const Result<Txn> txn = begin(env_.get(), MDB_RDONLY);
    if (!txn) return fail(txn.error());
    MDB_val wanted = thing(key);
    MDB_val value{};
    const int status = mdb_get(txn->get(), dbi_, &wanted, &value);
    if (status == MDB_NOTFOUND) return std::nullopt;
    if (status != 0) return fail_mdb(status);
    return std::string(bytes_of(value));
  }

  Env env_;
  MDB_dbi dbi_ = 0;
};

// One transaction from the first put to commit(); the map grows by starting over with a larger one
// whenever it is full.
class LmdbWriter final : public Writer {
 public:
  LmdbWriter(Replacement replacement, Env env, const WriterOptions& options, const Context& context)
      : replacement_(std::move(replacement)), env_(std::move(env)), options_(options), context_(context) {}
  ~LmdbWriter() override = default;

  Result<> start() {
    Result<Txn> txn = begin(env_.get(), 0);
    if (!txn) return fail(txn.error());
    txn_ = std::move(*txn);
    if (const int status = mdb_dbi_open(txn_.get(), nullptr, MDB_CREATE, &dbi_); status != 0)
      return fail_mdb(status);
    pending_ = 0;
    return {};
  }

  Result<bool> put(std::string_view key, std::string_view value) override {
    const std::string stored = context_.fold_keys ? fold(key, context_.fold_utf8) : std::string(key);
    const std::size_t nul = options_.nul_terminated.value_or(true) ? 1 : 0;
    const std::string text(value);
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
      if (stored.size() + nul == 0) continue;
      MDB_val wanted = thing({stored.data(), stored.size() + nul});
      const int status = mdb_del(txn_.get(), dbi_, &wanted, nullptr);
      if (status != 0 && status != MDB_NOTFOUND) return fail_mdb(status);
      erased = erased || status == 0;
    }
    return erased;
  }

  Result<> commit() override {
    if (const Result<> done = save(); !done) return done;
    env_.reset();
    return replacement_.commit(replacement_.mode().value_or(options_.mode));
  }

  const std::string& file() const override { return replacement_.target(); }

 private:
  // A transaction is saved after so many entries, well before it could fill the map on its own.
  static constexpr int entries_per_transaction = 1000;

  Result<> save() {
    const int status = mdb_txn_commit(txn_.release());
    if (status != 0) return fail_mdb(status);
    return {};
  }

  Result<> grow_if_needed(std::size_t upcoming) {
    MDB_envinfo info{};
    MDB_stat stat{};
    mdb_env_info(env_.get(), &info);
    mdb_env_stat(env_.get(), &stat);
    bytes_since_save_ += upcoming;
    ++pending_;
    const std::size_t used = info.me_last_pgno * stat.ms_psize;
    if (pending_ < entries_per_transaction && used + 4 * bytes_since_save_ + (1 << 20) < info.me_mapsize)
      return {};
    if (const Result<> done = save(); !done) return done;
    mdb_env_info(env_.get(), &info);
    if (info.me_last_pgno * stat.ms_psize * 2 + 4 * upcoming + (8 << 20) > info.me_mapsize) {
      const std::size_t larger = info.me_mapsize * 2 + 4 * upcoming + (16 << 20);
      if (const int status = mdb_env_set_mapsize(env_.get(), larger); status != 0) return fail_mdb(status);
    }
    bytes_since_save_ = upcoming;
    return start();
  }

  Result<bool> store(std::string_view key, std::string_view value, bool replace) {
    if (key.size() > static_cast<std::size_t>(mdb_env_get_maxkeysize(env_.get())))
      return fail(Trouble::permanent, fmt::format("key of {} bytes is too long for lmdb", key.size()));
    if (const Result<> room = grow_if_needed(key.size() + value.size()); !room) return fail(room.error());
    MDB_val stored_key = thing(key);
    MDB_val stored_value = thing(value);
    const int status = mdb_put(txn_.get(), dbi_, &stored_key, &stored_value, replace ? 0 : MDB_NOOVERWRITE);
    if (status == MDB_KEYEXIST) return false;
    if (status != 0) return fail_mdb(status);
    return true;
  }

  Replacement replacement_;
  Env env_;
  Txn txn_;  // ends before its environment closes
  MDB_dbi dbi_ = 0;
  int pending_ = 0;
  std::size_t bytes_since_save_ = 0;
  const WriterOptions options_;
  const Context context_;
};

}  // namespace

Opened open_lmdb(const std::string& name, const Context& context) {
  auto made = std::make_unique<Lmdb>("lmdb", name, name + ".lmdb", context);
  if (const Result<> started = made->start(); !started) return fail(started.error());
  return made;
}

Made write_lmdb(Replacement replacement, bool, const WriterOptions& options, const Context& context) {
  const auto failed = [&](const Error& error) {
    return fail(error.trouble(), fmt::format("open database {}: {}", replacement.target(), reason(error)),
                error.os_error());
  };
  // Nothing needs to survive before commit(), which syncs the file.
  Result<Env> env = open_env(replacement.temporary(), MDB_NOSYNC, context.lmdb_map_size);
  if (!env) return failed(env.error());
  const std::string target = replacement.target();
  auto made = std::make_unique<LmdbWriter>(std::move(replacement), std::move(*env), options, context);
  if (const Result<> started = made->start(); !started)
    return fail(started.error().trouble(),
                fmt::format("open database {}: {}", target, reason(started.error())));
  return made;
}

}  // namespace postrider::table
