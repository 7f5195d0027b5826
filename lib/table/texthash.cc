// texthash: the source of a hash: table, read into memory without building a database.
#include <fmt/format.h>

#include "lib/base/log.h"
#include "lib/base/text.h"
#include "lib/table/fold.h"
#include "lib/table/source.h"
#include "lib/table/text_file.h"
#include "lib/table/types.h"

namespace postrider::table {

namespace {

class TextHash final : public TextTable {
 public:
  TextHash(const std::string& path, const Context& context)
      : TextTable("texthash", path, {.pattern = false, .fold = true}, context) {}

  Result<> each(const EachEntry& visit) override {
    const Result<> ready = refresh();
    if (!ready) return ready;
    for (const auto& [key, value] : entries_)
      if (!visit(key, value)) break;
    return {};
  }

 private:
  Result<> load(std::string_view content) override {
    entries_.clear();
    SourceLines lines(content, path(), context_.log);
    while (const std::optional<SourceLines::Line> line = lines.next()) {
      Result<KeyValue> entry = split_key_value(line->text);
      if (!entry) {
        const bool said = entry.error().text().ends_with("-- ignoring this line");
        context_.log.warning("{}, line {}: {}{}", path(), line->number, entry.error().text(),
                             said ? "" : " -- ignoring this line");
        continue;
      }
      if (entry->key.ends_with(':'))
        context_.log.warning("{}, line {}: record is in \"key: value\" format; is this an alias file?",
                             path(), line->number);
      if (context_.fold_keys) entry->key = fold(entry->key, context_.fold_utf8);
      if (!entries_.emplace(entry->key, std::move(entry->value)).second)
        context_.log.warning("{}, line {}: duplicate entry: \"{}\"", path(), line->number, entry->key);
    }
    return {};
  }

  Result<std::optional<std::string>> find_loaded(std::string_view key) override {
    const auto found = entries_.find(key);
    if (found == entries_.end()) return std::nullopt;
    return found->second;
  }

  StringMap<std::string> entries_;
};

}  // namespace

Opened open_texthash(const std::string& name, const Context& context) {
  auto made = std::make_unique<TextHash>(name, context);
  if (const Result<> started = made->start(); !started) return fail(started.error());
  return made;
}

}  // namespace postrider::table
