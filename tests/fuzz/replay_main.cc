// Runs a fuzz target over files and folders of inputs: how a corpus becomes a regression test in
// builds without the fuzzing engine. Prints one line, "<n> inputs"; a finding is a crash.
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

namespace fs = std::filesystem;

std::size_t replay_file(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
  LLVMFuzzerTestOneInput(data, bytes.size());
  return 1;
}

std::size_t replay(const fs::path& path) {
  if (!fs::is_directory(path)) return fs::exists(path) ? replay_file(path) : 0;
  std::size_t count = 0;
  for (const auto& entry : fs::recursive_directory_iterator(path)) {
    if (!entry.is_regular_file()) continue;
    // Named before it runs, so that a crash says which input it was.
    std::fprintf(stderr, "%s\r", entry.path().c_str());
    count += replay_file(entry.path());
  }
  return count;
}

}  // namespace

int main(int argc, char** argv) {
  std::size_t count = 0;
  for (int i = 1; i < argc; ++i) count += replay(argv[i]);
  std::printf("%s: %zu inputs\n", argv[0], count);
  return 0;
}
