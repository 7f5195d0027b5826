// master(8): starts and supervises the daemons of the mail system.
#include "master/command.h"

int main(int argc, char** argv) { return postrider::master::run(argc, argv); }
