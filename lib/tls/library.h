// Which TLS library this is, for commands that tell the administrator.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace postrider::tls {

std::string_view compiled_library();  // what the program was compiled with: "OpenSSL 3.0.11 19 Sep 2023"
std::string_view running_library();   // what it runs with

// Kinds of keys that certificates may have: "dsa", "ecdsa", "rsa", …
std::vector<std::string> public_key_algorithms();

}  // namespace postrider::tls
