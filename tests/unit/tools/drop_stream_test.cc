#include "tools/drop_stream.h"

#include <fcntl.h>
#include <catch2/catch.hpp>

#include "tests/unit/os/faulty_files.h"

using namespace postrider;
using namespace postrider::tools;

namespace {

// What prdrop makes of a stream: its complaint, or "" when the message is in maildrop.
std::string dropped(const std::string& stream, std::uint64_t limit) {
  os::test::TemporaryDirectory directory;
  auto& files = os::system_files();
  REQUIRE(files.mkdir(directory / "maildrop", 0700));
  REQUIRE(os::replace_file(files, directory / "stream", stream, 0600));
  const auto fd = files.open(directory / "stream", O_RDONLY);
  const auto run = [&]() -> std::string {
    const auto envelope = read_drop_envelope(files, fd->get());
    if (!envelope) return envelope.error().text();
    auto writer = queue::MaildropWriter::create(files, directory / "maildrop", *envelope);
    if (!writer) return writer.error().text();
    if (const auto copied = copy_drop_content(files, fd->get(), *writer, {limit}); !copied)
      return copied.error().text();
    const auto name = writer->commit();
    return name ? "" : name.error().text();
  };
  const std::string trouble = run();
  std::size_t count = 0;
  REQUIRE(files.list(directory / "maildrop", [&](std::string_view) { return ++count > 0; }));
  CHECK(count == (trouble.empty() ? 1 : 0));
  return trouble;
}

std::string stream_of(const std::string& content) {
  queue::Envelope e;
  e.recipients.resize(1);
  e.recipients[0].address = "a@x";
  std::string stream = queue::drop_piece(*queue::encode(e));
  if (!content.empty()) stream += queue::drop_piece(content);
  return stream + queue::drop_piece("");
}

}  // namespace

TEST_CASE("a submission stream cut off anywhere submits nothing") {
  const std::string stream = stream_of("Subject: x\n\nbody\n");
  CHECK(dropped(stream, 0).empty());
  for (std::size_t length = 0; length < stream.size(); ++length)
    CHECK_FALSE(dropped(stream.substr(0, length), 0).empty());
}

TEST_CASE("a submission over the size limit is refused before it is stored") {
  CHECK(dropped(stream_of(std::string(1000, 'x')), 1000).empty());
  CHECK(dropped(stream_of(std::string(1001, 'x')), 1000) == "message file too big");
}

TEST_CASE("a hostile submission stream is refused without following its lengths") {
  CHECK_FALSE(dropped(std::string("\xff\xff\xff\xff", 4), 0).empty());
  CHECK_FALSE(dropped(std::string("\xff\xff\xff\x00", 4), 0).empty());
  CHECK_FALSE(dropped(queue::drop_piece("garbage") + queue::drop_piece(""), 0).empty());
  CHECK_FALSE(dropped(queue::drop_piece("") + queue::drop_piece(""), 0).empty());
  const std::string good = stream_of("");
  const std::string open = good.substr(0, good.size() - 4);
  CHECK_FALSE(dropped(open + std::string("\xff\xff\xff\xff", 4), 0).empty());
  CHECK_FALSE(dropped(open + std::string("\x01\x00\x01\x00x", 5), 0).empty());
}
