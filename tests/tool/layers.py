#!/usr/bin/env python3
"""Who may include whom: lib/ in the order of mk/layers.mk, processes not one another.

Foreign libraries that stay in one room (libevent in lib/event, Berkeley DB in lib/table) are held
there too, and a quoted include must name a file of the tree from its root.
"""

import re
import sys

import tree

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')

# header prefix -> the only folders that may include it
CONFINED = {
    "event2/": ("lib/event", "lib/dns"),
    "db.h": ("lib/table",),
    "db_cxx.h": ("lib/table",),
    "sasl/": ("lib/sasl",),
    "openssl/": ("lib/tls", "lib/mailbox", "auth", "keys", "tools", "bench"),
    "catch2/": ("tests", "mk"),
}
# What a command may take from a process's folder: its parameters, for prconf.
PARAMETERS = re.compile(r"(config|settings|parameters)\.h$")


def layers():
    """room -> every room it may include, itself among them."""
    direct = dict(re.findall(r"^LAYER_(\w+) :=(.*)$", tree.read("mk/layers.mk"), re.M))

    def closure(room, seen):
        if room not in seen:
            seen.add(room)
            for below in direct[room].split():
                closure(below, seen)
        return seen

    return {room: closure(room, set()) for room in direct}


def room_of(name):
    parts = name.split("/")
    if parts[0] == "lib" and len(parts) > 2:
        return "/".join(parts[:2])
    return parts[0]


def judge(source, target, allowed, processes):
    """None, or why `source` must not include `target` (both paths from the root)."""
    here, there = room_of(source), room_of(target)
    if here == there:
        return None
    if here.startswith("lib/"):
        if not there.startswith("lib/"):
            return f"lib includes nothing outside lib, but this is {target}"
        if there[4:] not in allowed.get(here[4:], set()):
            return f"{here} may not include {there} (mk/layers.mk)"
        return None
    if here in processes:
        if there.startswith("lib/"):
            return None
        if here == "tools" and there in processes and PARAMETERS.search(target):
            return None
        return f"{here} includes {there}: what two processes share lives in lib/"
    return None


def main():
    allowed = layers()
    rooms, processes = tree.make_list("LIB_ROOMS"), set(tree.make_list("PROCESS_ROOMS"))
    findings = [f"mk/layers.mk:1: no line for lib/{r}" for r in rooms if r not in allowed]
    for room, below in allowed.items():
        late = [b for b in below - {room} if room in rooms and rooms.index(b) > rooms.index(room)]
        findings += [f"Makefile:1: LIB_ROOMS lists {b} after {room}, which includes it" for b in late]
    sources = tree.files(".cc", ".h")
    for source in sources:
        for number, line in enumerate(tree.read(source).splitlines(), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            kind, target = match.groups()
            where = f"{source}:{number}"
            if kind == "<":
                for prefix, folders in CONFINED.items():
                    if target.startswith(prefix) and room_of(source) not in folders \
                            and not source.startswith("tests/"):
                        findings.append(f"{where}: <{target}> stays in {' '.join(folders)}")
                continue
            if not (tree.TOP / target).is_file():
                findings.append(f"{where}: {target} is not a file of the tree (includes are rooted)")
                continue
            reason = judge(source, target, allowed, processes)
            if reason:
                findings.append(f"{where}: {reason}")
    tree.finish("layers", findings, f"{len(sources)} sources")


if __name__ == "__main__":
    sys.exit(main())
