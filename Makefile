# Postrider's build: a table of contents. How each kind of thing is built is in mk/.
#
#   make                 programs, release flavour        make test   every unit test (sanitize flavour)
#   make FLAVOUR=debug   the same, another flavour        make help   the rest

# The rooms of lib/, in layer order: a room may include those above it (mk/layers.txt has the rule).
LIB_ROOMS := base address message smtp imap pop3 dsn os event io tls dns config ipc protocol \
             table sasl queue mailbox daemon

# The folders of processes and commands. folder/main.cc is the program `folder`; folder/x_y_main.cc
# is the program `x-y`.
PROCESS_ROOMS := master smtpd cleanup pickup rewrite qmgr smtp local bounce auth keys anvil \
                 pop3d imapd error showq tools

include mk/flavours.mk
include mk/rules.mk
include mk/targets.mk
