"""What a disk may hold after a power cut, told from a record of what was done to its files.

The record (tests/crash/recorder.cc) is read into nodes (files and directories, each with what was done to it, in
order) and entries (names that came, moved or went). A cut is a place in the record. What a sync that had ended by
then covers is on the disk; of everything else a journaling file system may have kept what it likes:

  data      each block by itself is as it was after some number of the writes to it, and the file's length after some
            number of its changes: lost, there, zeros where nothing was, or torn
  names     each creation, rename and removal is there or not, but those of one file in their order; a rename is one
            step. A sync of the directory makes them durable, and a directory without a name takes all in it along

Owners, modes and times are taken as set at once.
"""

import bisect
import collections
import math
import operator
import os
import pathlib
import stat
import struct

ENTRY = struct.Struct("<IHHQQQQQ")
(CREATED, MADE_DIRECTORY, UNLINKED, REMOVED_DIRECTORY, RENAMED, LINKED, WRITTEN, TRUNCATED, ALLOCATED, SYNC_BEGUN,
 SYNC_ENDED, TIME_SET, OWNER_SET, NOTED) = range(1, 15)
CAPACITY = 1 << 30
FIRST = 4096  # where the entries begin
MOST_KNOWN = 8  # contents kept of one file
ZEROS = bytes(4096)
NEVER = math.inf  # as the place of a sync
by_sequence = operator.itemgetter(0)


def make_record(path, directories):
    """An empty record, sparse, that watches these directories."""
    with open(path, "wb") as file:
        file.truncate(CAPACITY)
        file.write(struct.pack("<QIIQQ", FIRST, 0, 0, CAPACITY, 0))
        file.seek(64)
        file.write("".join(f"{d}\n" for d in directories).encode())
    os.chmod(path, 0o666)  # every user's processes append to it


def entries_of(path):
    """The bytes of all entries of the record at that path."""
    with open(path, "rb") as file:
        end = struct.unpack("<Q", file.read(8))[0]
        file.seek(FIRST)
        return file.read(end - FIRST)


class Node:
    """A file or directory, made below the watched directory `place`. `changes`: (sequence, kind, offset, data or
    length); `durable[i]`: the sequence from which on the i-th change is on the disk. Both ascend, since a sync covers
    all that stands before it."""

    def __init__(self, identity, place, mode, owner, content=b""):
        self.identity, self.place, self.mode, self.owner = identity, place, mode, owner
        self.changes, self.durable, self.names = [], [], []
        self.times = []
        self.known = {0: content}

    @property
    def is_directory(self):
        return stat.S_ISDIR(self.mode)

    def after(self, count):
        """The content after the first `count` changes."""
        if count not in self.known:
            near = max(n for n in self.known if n <= count)
            buffer = bytearray(self.known[near])
            for change in self.changes[near:count]:
                apply(buffer, *change[1:])
            if len(self.known) > MOST_KNOWN:
                del self.known[next(n for n in self.known if n not in (0, near))]
            self.known[count] = bytes(buffer)
        return self.known[count]


def apply(buffer, kind, offset, data):
    if kind == WRITTEN:
        if len(buffer) < offset:
            buffer.extend(bytes(offset - len(buffer)))
        buffer[offset:offset + len(data)] = data
    elif kind == TRUNCATED:
        del buffer[offset:]
        buffer.extend(bytes(offset - len(buffer)))
    elif len(buffer) < offset + data:
        buffer.extend(bytes(offset + data - len(buffer)))


class Entry:
    """One step of the name space: `sets` maps (directory, name) to a node or None."""

    def __init__(self, sequence, node, sets):
        self.sequence, self.node, self.sets, self.durable = sequence, node, sets, NEVER


def kind_of_sync(node):
    """What sort of sync one of this node is: ("incoming", "file"), ("maildrop", "directory")…"""
    return os.path.basename(node.place), "directory" if node.is_directory else "file"


class History:
    """`base`: {(directory, name): node} before the first entry. `top`: the node of each directory watched.
    `syncs`: how many there were of each kind. Those of the kind `forgotten` are taken for never made."""

    def __init__(self, directories):
        self.directories = [str(d) for d in directories]
        self.syncs, self.forgotten = collections.Counter(), None
        self.base, self.top, self.by_inode = {}, {}, {}
        self.nodes, self.entries, self.notes = [], [], []
        self.length = 0
        for directory in self.directories:
            self.top[directory] = self.take(pathlib.Path(directory), directory)

    def new_node(self, inode, place, mode, owner, content=b""):
        node = Node(len(self.nodes), place, mode, owner, content)
        self.nodes.append(node)
        self.by_inode[inode] = node
        return node

    def take(self, path, place):
        status = path.lstat()
        is_directory = stat.S_ISDIR(status.st_mode)
        node = self.new_node(status.st_ino, place, status.st_mode, (status.st_uid, status.st_gid),
                             b"" if is_directory else path.read_bytes())
        if is_directory:
            for child in sorted(path.iterdir()):
                if child.is_dir() or child.is_file():
                    self.base[node, child.name] = self.take(child, place)
        return node

    def read(self, data):
        """Takes in the entries of a record."""
        at, covered = 0, {}
        while at < len(data):
            size, kind, _, inode, directory, other, a, b = ENTRY.unpack_from(data, at)
            rest = data[at + ENTRY.size:at + size]
            at += (size + 7) // 8 * 8
            self.length += 1
            self.take_in(self.length, kind, inode, directory, other, a, b, rest, covered)

    def take_in(self, sequence, kind, inode, directory, other, a, b, rest, covered):
        if kind == NOTED:
            self.notes.append((sequence, rest[:-1].decode()))
            return
        if kind in (CREATED, MADE_DIRECTORY):
            node = self.new_node(inode, self.by_inode[directory].place, a, (b >> 32, b & 0xffffffff))
        else:
            node = self.by_inode.get(inode)
        if node is None:
            return
        names = [name.decode() for name in rest.split(b"\0")[:2]] if kind <= LINKED else []
        above = self.by_inode.get(directory)
        if kind in (CREATED, MADE_DIRECTORY):
            self.enter(Entry(sequence, node, {(above, names[0]): node}))
        elif kind in (UNLINKED, REMOVED_DIRECTORY):
            self.enter(Entry(sequence, node, {(above, names[0]): None}))
        elif kind == RENAMED:
            self.enter(Entry(sequence, node, {(above, names[0]): None, (self.by_inode[other], names[1]): node}))
        elif kind == LINKED:
            self.enter(Entry(sequence, node, {(self.by_inode[other], names[1]): node}))
        elif kind in (WRITTEN, TRUNCATED, ALLOCATED):
            node.changes.append((sequence, kind, a, rest if kind == WRITTEN else b))
            node.durable.append(NEVER)
        elif kind == SYNC_BEGUN:
            covered[a] = (len(node.changes), len(node.names))
        elif kind == SYNC_ENDED:
            changes, entries = covered.pop(a)
            self.syncs[kind_of_sync(node)] += 1
            if kind_of_sync(node) != self.forgotten:
                self.make_durable(node, changes, entries, sequence)
        elif kind == TIME_SET:
            node.times.append((sequence, a + b / 1e9))
        elif kind == OWNER_SET:
            node.mode, node.owner = a, (b >> 32, b & 0xffffffff)

    @staticmethod
    def make_durable(node, changes, entries, sequence):
        for i in range(changes - 1, -1, -1):
            if node.durable[i] != NEVER:
                break
            node.durable[i] = sequence
        for entry in node.names[:entries]:
            entry.durable = min(entry.durable, sequence)

    def enter(self, entry):
        self.entries.append(entry)
        for directory, _ in entry.sets:
            directory.names.append(entry)  # a directory's own list: what its sync makes durable


LOST, KEPT, EMPTY, NAMELESS, MIXED, ORDERED = PROFILES = range(6)


class State:
    """The disk after a cut: `files()` yields (path, node, content)."""

    def __init__(self, history, cut, profile, chance):
        self.history, self.cut, self.profile, self.chance = history, cut, profile, chance
        self.share = chance.choice((0.1, 0.5, 0.9))
        self.unit = chance.choice((512, 4096))
        self.tree = {}
        self.choose_names()

    def choose_names(self):
        current = dict(self.history.base)
        lost = set()  # nodes whose later names are lost as well
        stopped = False
        for entry in self.history.entries:
            if entry.sequence >= self.cut:
                break
            if entry.durable >= self.cut:
                if self.profile in (LOST, NAMELESS) or entry.node in lost or stopped:
                    lost.add(entry.node)
                    continue
                if self.profile == MIXED and self.chance.random() > self.share:
                    lost.add(entry.node)
                    continue
                # As ext4: what is lost of the name space is its end.
                if self.profile == ORDERED and self.chance.random() < 0.1:
                    stopped = True
                    continue
            for place, node in entry.sets.items():
                current[place] = node
        for (directory, name), node in current.items():
            if node is not None:
                self.tree.setdefault(directory, {})[name] = node

    def content(self, node):
        """(the bytes, a key that is the same for the same bytes)"""
        settled = bisect.bisect_left(node.changes, self.cut, key=by_sequence)
        safe = bisect.bisect_left(node.durable, self.cut)
        if safe == settled or self.profile in (LOST, ORDERED):
            return node.after(safe), (node.identity, safe)
        if self.profile in (KEPT, NAMELESS):
            return node.after(settled), (node.identity, settled)
        buffer = bytearray(node.after(safe))
        if self.profile == MIXED:
            self.mix(buffer, node.changes[safe:settled])
        length = len(node.after(safe if self.profile == MIXED and self.chance.random() > self.share else settled))
        del buffer[length:]
        buffer.extend(bytes(length - len(buffer)))
        made = bytes(buffer)
        return made, (node.identity, hash(made))

    def mix(self, buffer, changes):
        """Each block of what was written as it was after some number of the writes."""
        chosen = {}
        for number, (_, kind, offset, data) in enumerate(changes):
            if kind != WRITTEN:
                continue
            for unit in range(offset // self.unit, (offset + len(data) - 1) // self.unit + 1):
                if unit not in chosen:
                    chosen[unit] = (len(changes) if self.chance.random() < self.share
                                    else self.chance.randrange(len(changes) + 1))
                if number < chosen[unit]:
                    begin = max(unit * self.unit, offset)
                    end = min((unit + 1) * self.unit, offset + len(data))
                    apply(buffer, WRITTEN, begin, data[begin - offset:end - offset])

    def walk(self, directory, path):
        """(path, node) of everything in there that has a name, directories first."""
        for name, node in self.tree.get(directory, {}).items():
            yield f"{path}/{name}", node
            if node.is_directory:
                yield from self.walk(node, f"{path}/{name}")

    def time_of(self, node):
        """When it was last set to be modified, or None."""
        times = [time for sequence, time in node.times if sequence < self.cut]
        return times[-1] if times else None


def without_hole(content):
    """The bytes before the zeros at the end of a file that was allocated and not filled."""
    end = len(content)
    while content.endswith(ZEROS, 0, end):
        end -= len(ZEROS)
    return memoryview(content)[:end]


def lay_down(state, watched, path, owners=False):
    """Writes the part of the state that is in the directory `watched` to `path`, which exists and is empty."""
    keys = []
    for place, node in state.walk(state.history.top[watched], str(path)):
        if node.is_directory:
            os.mkdir(place, 0o700)
            keys.append((place, "directory"))
        else:
            content, key = state.content(node)
            keys.append((place, key))
            fd = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            os.write(fd, without_hole(content))
            os.ftruncate(fd, len(content))
            if (time := state.time_of(node)) is not None:
                os.utime(fd, (time, time))
            os.close(fd)
        if owners:
            if os.geteuid() == 0:
                os.chown(place, *node.owner)
            os.chmod(place, stat.S_IMODE(node.mode))
    return keys
