# Postrider's build: a table of contents. How each kind of thing is built is in mk/.
#
#   make                    every program, release flavour, in build/release/bin
#   make test               every unit test, in the sanitize flavour
#   make test-<room>        one room's unit tests; ARGS='"a test name" -s' is handed to Catch2
#   make fuzz-replay        every corpus of tests/fuzz/corpus through its fuzzer, sanitize flavour
#   make fuzz-<name>        run the fuzzer tests/fuzz/<name>_fuzz.cc for SECONDS (60)
#   make crash              kill -9, power cuts, failing calls: nothing acknowledged is lost; mk/crash.mk
#   make crash-fail         every system call of every process fails once; ARGS='--only qmgr/fsync'
#   make checks             layers, headers, format, tidy, man pages, paths, documents (or check-<one>)
#   make format             rewrite the sources as clang-format wants them
#   make bench, bench-quick  beside the other servers, before and after: bench/README.md
#   make man                the man pages, completed by the programs' own parameter lists
#   make install            DESTDIR= PREFIX=/usr, owners and modes from conf/install.manifest
#   make clean, distclean   this flavour, everything
#
#   FLAVOUR=release|debug|sanitize|fuzz   WERROR= (warnings pass)   PCH= (no precompiled header)
#   V=1 (show commands)                   CXX=… (or ./configure CXX=…)

# The rooms of lib/ in link order; what each may include, and so is built before its tests, is in
# mk/layers.mk.
LIB_ROOMS := base address message smtp imap pop3 dsn os event tls io dns config ipc \
             table sasl queue protocol mailbox daemon

# The folders of processes and commands. folder/main.cc is the program `folder`; folder/x_y_main.cc
# is the program `x-y`.
PROCESS_ROOMS := master smtpd cleanup pickup rewrite qmgr smtp local bounce auth keys anvil \
                 pop3d imapd error showq tools

# Programs of tools/ that are linked without shared libraries, see mk/rules.mk; `make STATIC_PROGRAMS=` where
# there are no archives to link.
STATIC_PROGRAMS := sendmail prdrop

include mk/flavours.mk
include mk/layers.mk
include mk/install.mk
include mk/rules.mk
include mk/bench.mk
include mk/checks.mk
include mk/targets.mk
include mk/crash.mk
