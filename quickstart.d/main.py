"""./quickstart: from a checkout to a running mail server of one's own, on loopback high ports.

  ./quickstart [up]     build, set up, start, send two letters and read them back; harmless when running
  ./quickstart down     stop it
  ./quickstart status   what runs, and where
  ./quickstart check    build and pass every test; ends with "N passed, N failed"
"""

import argparse
import json
import shlex
import sys

import say as voice
from root import DOMAIN, Root
from say import Failure, say, step


def arguments():
    parser = argparse.ArgumentParser(prog="./quickstart", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", nargs="?", default="up", choices=("up", "down", "status", "check"))
    parser.add_argument("--root", default="run", metavar="DIR", help="the instance's directory (default: ./run)")
    parser.add_argument("--set", action="append", default=[], metavar="name=value",
                        help="a main.cf parameter of this instance, kept for later runs; repeatable")
    parser.add_argument("--user", action="append", default=[], metavar="name:password",
                        help=f"a mailbox, name@{DOMAIN} when there is no @; repeatable")
    parser.add_argument("--quiet", action="store_true", help="no demonstration, no advice")
    parser.add_argument("--json", action="store_true", help="print one JSON object for programs")
    return parser.parse_args()


def apply_options(root, options):
    for setting in options.set:
        name, equals, value = setting.partition("=")
        if not equals or not name.strip().isidentifier():
            raise Failure(f"--set {setting}: expected name=value")
        root.state["set"][name.strip()] = value.strip()
    for user in options.user:
        name, colon, password = user.partition(":")
        if not colon or not password:
            raise Failure(f"--user {user}: expected name:password")
        root.add_user(name, password)


def next_steps(root, services):
    ports, user, password = root.state["ports"], root.user, root.password(root.user)
    ca, login = root.file("tls", "ca.pem"), shlex.quote(f"{user}:{password}")
    say(f"""
Running until `./quickstart down`. {user} reads mail with the password {password}.

Try this next:""")
    if "pop3" in services:
        say(f"  curl -s --ssl-reqd --cacert {ca} --user {login} pop3://localhost:{ports['pop3']}/1")
    if "smtp" in services:
        say(f"  swaks --server localhost:{ports['smtp']} --tls --from me@elsewhere.example --to {user}")
        say(f"  printf 'Subject: hello\\n\\nhello\\n' | {root.file('sbin', 'sendmail')} -C {root.etc} {user}")
    if "pop3" in services:
        mailbox = f"pop://{user.replace('@', '%40')}:{password}@localhost:{ports['pop3']}/"
        say(f"  mutt -n -F /dev/null -e 'set certificate_file={ca} pop_authenticators=plain' -f {mailbox}")
    for tool, purpose in (("prqueue -c {etc} -p", "the queue"), ("prconf -c {etc} -n", "what main.cf changes")):
        if root.file("sbin", tool.split()[0]).exists():
            say(f"  {root.file('sbin')}/{tool.format(etc=root.etc)}     # {purpose}")
    say(f"  tail -f {root.log}")


def up(options):
    # Imported late: `down` and `status` need neither.
    import build
    import configuration
    import packages
    import service
    from letters import demonstrate

    root = Root(options.root)
    packages.ensure("build", "client")
    built = build.programs()
    for name in ("master", "postrider"):
        if not (built / name).exists():
            raise Failure(f"this checkout builds no program {name}, so there is nothing to start")
    root.prepare()
    if not root.master_pid():
        root.replace_taken_ports()
    apply_options(root, options)
    changes = configuration.write_all(root, built)
    services = configuration.services(root)
    service.bring_up(root, changes, services)
    if not options.quiet:
        demonstrate(root, services)
        next_steps(root, services)
    if options.json:
        print(json.dumps(root.facts(services), indent=1))


def down(options):
    import service
    root = Root(options.root)
    if not root.exists:
        raise Failure(f"there is no instance in {root.path}")
    say("stopped" if service.stop(root) else "was not running")


def status(options):
    import configuration
    root = Root(options.root)
    if not root.exists:
        raise Failure(f"there is no instance in {root.path}; ./quickstart makes one")
    services = configuration.services(root)
    facts = root.facts(services)
    if options.json:
        print(json.dumps(facts, indent=1))
    else:
        pid = facts["master_pid"]
        say(f"{root.path}: " + (f"running, master is process {pid}" if pid else "not running"))
        for key, value in facts.items():
            if key != "master_pid" and value is not None:
                say(f"  {key:18} {value}")
    return 0 if facts["master_pid"] else 1


def check(_options):
    import check as everything
    return everything.run_everything()


def main():
    options = arguments()
    if options.json:
        voice.out = sys.stderr
    try:
        return {"up": up, "down": down, "status": status, "check": check}[options.action](options) or 0
    except Failure as failure:
        print(f"quickstart: {failure}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, BrokenPipeError):
        return 130


if __name__ == "__main__":
    sys.exit(main())
