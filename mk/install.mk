# Where an installation goes. conf/install.manifest says what goes there, mk/install.py puts it.

SYSCONFDIR ?= /etc
LOCALSTATEDIR ?= /var
config_directory ?= $(SYSCONFDIR)/postrider
queue_directory ?= $(LOCALSTATEDIR)/spool/postrider
data_directory ?= $(LOCALSTATEDIR)/lib/postrider
daemon_directory ?= $(PREFIX)/libexec/postrider
command_directory ?= $(PREFIX)/sbin
bin_directory ?= $(PREFIX)/bin
compat_directory ?= $(daemon_directory)/postfix-compat
manpage_directory ?= $(PREFIX)/share/man
unit_directory ?= $(PREFIX)/lib/systemd/system

INSTALL_VARIABLES := config_directory queue_directory data_directory daemon_directory command_directory \
                     bin_directory compat_directory manpage_directory unit_directory

# The paths that programs know before they have read main.cf: compiled into lib/config alone, and
# anew when they change.
quoted = '-DPOSTRIDER_$(1)="$($(2))"'
INSTALL_FLAGS := $(call quoted,CONFIG_DIRECTORY,config_directory) $(call quoted,QUEUE_DIRECTORY,queue_directory) \
  $(call quoted,DATA_DIRECTORY,data_directory) $(call quoted,DAEMON_DIRECTORY,daemon_directory) \
  $(call quoted,COMMAND_DIRECTORY,command_directory)
