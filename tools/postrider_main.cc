// postrider(1), also called postfix: starts, stops and examines the mail system.
#include "tools/postrider.h"

int main(int argc, char** argv) { return postrider::tools::run_postrider({argv, argv + argc}); }
