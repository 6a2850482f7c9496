"""An empty store in memory in place of the Redis that a script connects to.

Owns the replies of the commands that scripts use. Must not connect to anything: `package` tries the
script with an empty store in memory, so its native answers are recorded with one too.
"""

import importlib.abc
import importlib.util
import sys


def install():
    """Patches redis-py when it is imported."""
    sys.meta_path.insert(0, Hook())


class Hook(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name != "redis.connection":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            return spec
        run = spec.loader.exec_module

        def execute(module):
            run(module)
            patch(module)

        spec.loader.exec_module = execute
        return spec


def patch(module):
    print("redis: the script gets an empty store in memory", file=sys.stderr)

    def on_connect(self, check_health=True):
        # There is no HELLO, AUTH, SELECT or CLIENT.
        if protocol(self) == 3 and isinstance(self._parser, module._RESP2Parser):
            self.set_parser(module._RESP3Parser)
        self._parser.on_connect(self)

    for name in ("AbstractConnection", "Connection", "SSLConnection", "UnixDomainSocketConnection"):
        kind = getattr(module, name, None)
        if kind is not None:
            kind._connect = lambda self: Socket(protocol(self))
            kind.on_connect = on_connect
            if hasattr(kind, "on_connect_check_health"):
                kind.on_connect_check_health = on_connect


def protocol(connection):
    return 3 if str(getattr(connection, "protocol", 2)) == "3" else 2


class Socket:
    """A socket whose other end is the store."""

    def __init__(self, protocol):
        self.protocol, self.sent, self.replies = protocol, b"", b""

    def sendall(self, data):
        self.sent += bytes(data)
        commands, self.sent = split(self.sent)
        self.replies += b"".join(STORE.reply(command, self.protocol) for command in commands)

    def recv(self, count, *flags):
        if not self.replies:
            raise BlockingIOError(11, "no command was sent")
        part, self.replies = self.replies[:count], self.replies[count:]
        return part

    def recv_into(self, buffer, *flags):
        part = self.recv(len(buffer))
        buffer[: len(part)] = part
        return len(part)

    def gettimeout(self):
        return None

    def nothing(self, *words):
        pass

    settimeout = setblocking = setsockopt = shutdown = close = nothing


def split(data):
    """Returns the complete commands in `data`, each as a list of byte strings, and the rest."""
    commands = []
    while data:
        rest, words = data, []
        head, found, rest = rest.partition(b"\r\n")
        if not found:
            break
        for _ in range(int(head[1:])):
            size, found, rest = rest.partition(b"\r\n")
            if not found or len(rest) < int(size[1:]) + 2:
                return commands, data
            words.append(rest[: int(size[1:])])
            rest = rest[int(size[1:]) + 2 :]
        commands.append(words)
        data = rest
    return commands, data


def written(value, protocol):
    """Returns a reply in Redis's protocol."""
    if value is None:
        return b"_\r\n" if protocol == 3 else b"$-1\r\n"
    if isinstance(value, int):
        return b":%d\r\n" % value
    if isinstance(value, str):
        return b"+%s\r\n" % value.encode()
    if isinstance(value, Exception):
        return b"-%s\r\n" % str(value).encode()
    if isinstance(value, bytes):
        return b"$%d\r\n%s\r\n" % (len(value), value)
    if isinstance(value, dict):
        words = [word for pair in value.items() for word in pair]
        head = b"%%%d\r\n" % len(value) if protocol == 3 else b"*%d\r\n" % len(words)
        return head + b"".join(written(word, protocol) for word in words)
    return b"*%d\r\n%s" % (len(value), b"".join(written(one, protocol) for one in value))


class Store:
    def __init__(self):
        self.values = {}
        self.queue = None

    def reply(self, words, protocol):
        name = words[0].upper().decode()
        if self.queue is not None and name not in ("EXEC", "DISCARD"):
            self.queue.append(words)
            return written("QUEUED", protocol)
        return written(self.run(name, words[1:]), protocol)

    def run(self, name, words):
        command = getattr(self, "do_" + name.lower(), None)
        if command is None:
            return Exception(f"ERR the store of a recording has no command {name}")
        try:
            return command(*words)
        except (TypeError, ValueError) as error:
            return Exception(f"ERR {error}")

    def do_ping(self):
        return "PONG"

    def do_select(self, number):
        return "OK"

    def do_client(self, *words):
        return "OK"

    def do_auth(self, *words):
        return "OK"

    def do_multi(self):
        self.queue = []
        return "OK"

    def do_discard(self):
        self.queue = None
        return "OK"

    def do_exec(self):
        queue, self.queue = self.queue or [], None
        return [self.run(words[0].upper().decode(), words[1:]) for words in queue]

    def do_get(self, key):
        return self.values.get(key)

    def do_mget(self, *keys):
        return [self.values.get(key) for key in keys]

    def do_set(self, key, value, *options):
        options = [one.upper() for one in options]
        if b"NX" in options and key in self.values or b"XX" in options and key not in self.values:
            return None
        before = self.values.get(key)
        self.values[key] = value
        return before if b"GET" in options else "OK"

    def do_setex(self, key, seconds, value):
        return self.do_set(key, value)

    do_psetex = do_setex

    def do_setnx(self, key, value):
        return int(self.do_set(key, value, b"NX") is not None)

    def do_mset(self, *words):
        self.values.update(zip(words[::2], words[1::2]))
        return "OK"

    def do_del(self, *keys):
        return sum(self.values.pop(key, None) is not None for key in keys)

    do_unlink = do_del

    def do_exists(self, *keys):
        return sum(key in self.values for key in keys)

    def do_incrby(self, key, by):
        self.values[key] = b"%d" % (int(self.values.get(key, 0)) + int(by))
        return int(self.values[key])

    def do_incr(self, key):
        return self.do_incrby(key, 1)

    def do_decr(self, key):
        return self.do_incrby(key, -1)

    def do_expire(self, key, *options):
        return int(key in self.values)

    do_pexpire = do_expire

    def do_hget(self, key, field):
        return self.values.get(key, {}).get(field)

    def do_hmget(self, key, *fields):
        return [self.values.get(key, {}).get(field) for field in fields]

    def do_hgetall(self, key):
        return dict(self.values.get(key, {}))

    def do_hexists(self, key, field):
        return int(field in self.values.get(key, {}))

    def do_hset(self, key, *words):
        fields = self.values.setdefault(key, {})
        before = len(fields)
        fields.update(zip(words[::2], words[1::2]))
        return len(fields) - before


STORE = Store()
