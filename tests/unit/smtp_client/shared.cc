// The certificates that the tests of lib/tls make are those of these tests too.
#include "tests/unit/tls/authority.cc"  // NOLINT
