"""A DNS server on loopback that knows what the test tells it, and that nothing else exists."""

import socket
import struct
import threading

TYPES = {"A": 1, "PTR": 12, "MX": 15, "AAAA": 28}


def wire_name(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label) + b"\0"


class NameServer:
    """NameServer({("example.test", "MX"): [(10, "mx.example.test")], ("mx.example.test", "A"): ["127.0.0.1"]})

    The value SILENT leaves a question unanswered. `.asked` is every question that came."""

    SILENT = object()

    def __init__(self, records):
        self.records = {(name.lower(), TYPES[kind]): data for (name, kind), data in records.items()}
        self.asked = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = "127.0.0.1@%d" % self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                packet, client = self.socket.recvfrom(4096)
            except OSError:
                return
            at, labels = 12, []
            while packet[at]:
                labels.append(packet[at + 1:at + 1 + packet[at]].decode())
                at += 1 + packet[at]
            question = packet[12:at + 5]
            name, kind = ".".join(labels).lower(), struct.unpack(">H", packet[at + 1:at + 3])[0]
            self.asked.append((name, kind))
            data = self.records.get((name, kind), [])
            if data is self.SILENT:
                continue
            known = any(name == other or other.endswith("." + name) for other, _ in self.records)
            answers = [b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 60, len(rdata)) + rdata
                       for rdata in (self.encode(kind, one) for one in data)]
            header = packet[:2] + struct.pack(">HHHHH", 0x8180 | (0 if known else 3), 1, len(answers), 0, 0)
            try:
                self.socket.sendto(header + question + b"".join(answers), client)
            except OSError:
                return  # closed meanwhile

    @staticmethod
    def encode(kind, one):
        if kind == TYPES["A"]:
            return socket.inet_pton(socket.AF_INET, one)
        if kind == TYPES["AAAA"]:
            return socket.inet_pton(socket.AF_INET6, one)
        if kind == TYPES["MX"]:
            return struct.pack(">H", one[0]) + wire_name(one[1])
        return wire_name(one)

    def close(self):
        self.socket.close()
