// randmap:{value, value}: one of them, by chance.
#include <random>

#include "lib/table/parts.h"
#include "lib/table/types.h"

namespace postrider::table {

namespace {

class Random final : public Table {
 public:
  Random(const std::string& name, std::vector<std::string> values, const Context& context)
      : Table("randmap:" + name, {.pattern = true}, context),
        values_(std::move(values)),
        generator_(std::random_device{}()) {}

 private:
  Result<std::optional<std::string>> find(std::string_view) override {
    std::uniform_int_distribution<std::size_t> pick(0, values_.size() - 1);
    return values_[pick(generator_)];
  }

  const std::vector<std::string> values_;
  std::minstd_rand generator_;
};

}  // namespace

Opened open_randmap(const std::string& name, const Context& context) {
  Result<std::vector<std::string>> values = elements_of("randmap", name, "value");
  if (!values) return postrider::fail(values.error());
  return std::make_unique<Random>(name, std::move(*values), context);
}

}  // namespace postrider::table
