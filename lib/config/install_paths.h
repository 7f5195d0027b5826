// Where an installation puts its files unless main.cf says otherwise; `configure` may override each with -D.
#pragma once

#ifndef POSTRIDER_CONFIG_DIRECTORY
#define POSTRIDER_CONFIG_DIRECTORY "/etc/postrider"
#endif
#ifndef POSTRIDER_QUEUE_DIRECTORY
#define POSTRIDER_QUEUE_DIRECTORY "/var/spool/postrider"
#endif
#ifndef POSTRIDER_DATA_DIRECTORY
#define POSTRIDER_DATA_DIRECTORY "/var/lib/postrider"
#endif
#ifndef POSTRIDER_DAEMON_DIRECTORY
#define POSTRIDER_DAEMON_DIRECTORY "/usr/libexec/postrider"
#endif
#ifndef POSTRIDER_COMMAND_DIRECTORY
#define POSTRIDER_COMMAND_DIRECTORY "/usr/sbin"
#endif
#ifndef POSTRIDER_VERSION
#define POSTRIDER_VERSION "0.1.0"
#endif
#ifndef POSTRIDER_RELEASE_DATE
#define POSTRIDER_RELEASE_DATE "20250101"
#endif
