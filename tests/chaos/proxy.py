"""A TCP proxy in front of each party, on loopback: it can fall silent, cut every connection, and it remembers each
signed `answer` and `closed` statement that passes. Threads: one accepts per party, two carry per connection."""
import hashlib, re, socket, threading, time

STATEMENT = re.compile(rb'\{"payload":\s*"([A-Za-z0-9+/=]+)",\s*"payloadType":\s*'
                       rb'"application/vnd\.veilsum\.(?:answer|closed)\.v1\+json"')
STATEMENT_MAX = 4096  # bytes before its end that a statement may begin


class Proxy:
    def __init__(self, name, backend_port, statements):
        self.name, self.backend = name, ("127.0.0.1", backend_port)
        self.statements = statements  # set of base64 payloads, shared by all proxies
        self.silent_until = 0.0
        self.pairs = []
        self.lock = threading.Lock()
        self.closed = False
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while not self.closed:
            try:
                front, _ = self.listener.accept()
            except OSError:
                return
            try:
                back = socket.create_connection(self.backend, timeout=5)
            except OSError:  # the party is down: the connection is refused, a moment later
                front.close()
                continue
            back.settimeout(None)
            for s in (front, back):
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.pairs = [p for p in self.pairs if p[0].fileno() >= 0 or p[1].fileno() >= 0]
                self.pairs.append((front, back))
            threading.Thread(target=self.carry, args=(front, back, False), daemon=True).start()
            threading.Thread(target=self.carry, args=(back, front, True), daemon=True).start()

    def carry(self, source, sink, is_reply):
        tail = b""
        try:
            while True:
                data = source.recv(65536)
                if not data:
                    break
                while time.time() < self.silent_until and not self.closed:
                    time.sleep(0.02)
                if is_reply:
                    tail = (tail + data)[-STATEMENT_MAX - len(data):]
                    self.statements.update(m.group(1) for m in STATEMENT.finditer(tail))
                sink.sendall(data)
        except OSError:
            pass
        for s in (source, sink):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            s.close()

    def silence(self, seconds):
        self.silent_until = time.time() + seconds

    def cut(self):
        with self.lock:
            pairs, self.pairs = self.pairs, []
        for pair in pairs:
            for s in pair:
                try:
                    s.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def close(self):
        self.closed = True
        self.listener.close()
        self.cut()
