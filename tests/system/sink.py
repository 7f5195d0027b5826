"""A next server to relay to: takes, defers or refuses recipients as the test says."""

import socketserver
import threading


class Sink:
    """`verdicts` maps a recipient to the reply to RCPT; others get 250. `.messages` is what came."""

    def __init__(self, verdicts=None, greeting="220 sink.example ESMTP"):
        self.verdicts = verdicts or {}
        self.messages = []
        self.connections = 0
        sink = self

        class Session(socketserver.StreamRequestHandler):
            def handle(self):
                sink.connections += 1
                sink.serve(self.rfile, self.wfile, greeting)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            # More clients at once than the queue holds would be accepted by the kernel and forgotten (SYN
            # cookies), and wait for a greeting that never comes.
            request_queue_size = 1024

        self.server = Server(("127.0.0.1", 0), Session)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def serve(self, lines, answers, greeting):
        def say(text):
            answers.write(text.encode() + b"\r\n")

        sender, recipients = None, []
        say(greeting)
        while raw := lines.readline():
            command = raw.decode("utf-8", "replace").strip()
            verb = command[:4].upper()
            if verb == "EHLO":
                say("250-sink.example\r\n250-PIPELINING\r\n250-SIZE 10240000\r\n250 8BITMIME")
            elif verb == "MAIL":
                sender, recipients = command[10:].split(">")[0].lstrip("<"), []
                say("250 2.1.0 Ok")
            elif verb == "RCPT":
                recipient = command[8:].split(">")[0].lstrip("<")
                verdict = self.verdicts.get(recipient, "250 2.1.5 Ok")
                if verdict.startswith("2"):
                    recipients.append(recipient)
                say(verdict)
            elif verb == "DATA" and not recipients:
                say("554 5.5.1 no valid recipients")
            elif verb == "DATA":
                say("354 go on")
                content = []
                while (line := lines.readline()) not in (b".\r\n", b""):
                    content.append(line[1:] if line.startswith(b".") else line)
                self.messages.append((sender, recipients, b"".join(content)))
                say(f"250 2.0.0 Ok: message {len(self.messages)}")
            elif verb == "QUIT":
                say("221 2.0.0 Bye")
                return
            else:
                say("250 2.0.0 Ok")

    def close(self):
        self.server.shutdown()
        self.server.server_close()
