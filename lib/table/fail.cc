// fail: a table in trouble, for trying out what the suite does then.
#include "lib/table/types.h"

namespace postrider::table {

namespace {

class Fail final : public Table {
 public:
  Fail(const std::string& name, const Context& context) : Table("fail:" + name, {}, context) {}

 private:
  Result<std::optional<std::string>> find(std::string_view) override {
    return postrider::fail(Trouble::temporary, name() + ": this table always fails");
  }
};

}  // namespace

Opened open_fail(const std::string& name, const Context& context) {
  return std::make_unique<Fail>(name, context);
}

}  // namespace postrider::table
