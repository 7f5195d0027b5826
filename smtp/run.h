// The main of smtp and lmtp, which differ in the names of their parameters, in how they begin a
// conversation, and in who they are.
#pragma once

namespace postrider::smtp_client {

// `program` is "smtp" or "lmtp".
int run(int argc, char** argv, const char* program);

}  // namespace postrider::smtp_client
