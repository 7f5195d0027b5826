# Who may include whom in lib/: a room may include the rooms named here and all that those may.
# Read by make (what a room's tests need) and by tests/tool/layers.py (what an #include may say).

LAYER_base :=
LAYER_address := base
LAYER_message := address
LAYER_smtp := message
LAYER_imap := smtp
LAYER_pop3 := smtp
LAYER_dsn := smtp
LAYER_os := base
LAYER_event := os
LAYER_io := event tls
LAYER_tls := event
LAYER_dns := io address
LAYER_config := io address
LAYER_ipc := io
LAYER_protocol := ipc queue
LAYER_table := io config address
LAYER_sasl := io config address
LAYER_queue := message table
LAYER_mailbox := message table
LAYER_daemon := address message smtp imap pop3 dsn tls dns protocol table sasl queue mailbox
