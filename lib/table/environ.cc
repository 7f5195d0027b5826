// environ: the process's environment variables.
#include <cstdlib>

#include "lib/table/types.h"

namespace postrider::table {

namespace {

class Environ final : public Table {
 public:
  Environ(const std::string& name, const Context& context) : Table("environ:" + name, {}, context) {}

 private:
  Result<std::optional<std::string>> find(std::string_view key) override {
    const char* value = std::getenv(std::string(key).c_str());
    if (value == nullptr) return std::nullopt;
    return std::string(value);
  }
};

}  // namespace

Opened open_environ(const std::string& name, const Context& context) {
  return std::make_unique<Environ>(name, context);
}

}  // namespace postrider::table
