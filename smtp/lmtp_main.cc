#include "smtp/run.h"

int main(int argc, char** argv) { return postrider::smtp_client::run(argc, argv, "lmtp"); }
