"""Redis commands on the store of scorebox.toml, without redis-py.

Owns the encoding of commands and the values in replies. Must not know which commands are allowed.
"""

import scorebox_door
from scorebox_guest_errors import Failed, Unavailable


class Fault(Exception):
    """An error that the server gave inside a reply, such as for one command of a transaction."""


class Connection:
    """A connection to the store.

    Replies are values of Python: `None`, `bool`, `int`, `float`, `str`, `bytes`, `list` and `dict`.
    """

    def __init__(self, name="default"):
        if name != "default":
            raise Failed(
                "no-such-store",
                "the script opened a store that it does not have",
                "a script has the store `default`",
            )

    def execute(self, *words):
        """Sends one command, e.g. `execute("HGET", "user", "age")`, and returns the reply."""
        [reply] = _replies([words])
        if isinstance(reply, Fault):
            raise _refused(reply)
        return reply

    def pipeline(self, commands):
        """Sends several commands in one round trip, and returns their replies.

        If a command fails, the list has a `ScoreError` in place of its reply.
        """
        replies = _replies(list(commands))
        return [_refused(reply) if isinstance(reply, Fault) else reply for reply in replies]

    def transaction(self, commands):
        """Executes commands between MULTI and EXEC, all or none, and returns their replies."""
        *queued, last = _replies([("MULTI",), *commands, ("EXEC",)])
        for reply in (*queued, last):
            if isinstance(reply, Fault):
                raise _refused(reply)
        return last


def _replies(commands):
    packed = b"".join(map(_packed, commands))
    try:
        reader = _Reader(scorebox_door.redis(3, packed))
    except scorebox_door.StoreError as error:
        raise Unavailable("store-unavailable", "the script's store does not answer", str(error)) from None
    return [reader.value() for _ in commands]


def _refused(fault):
    text = str(fault)
    if text.startswith("OOM"):
        return Unavailable("store-full", "the script's store is full", text)
    if text.startswith(("MISCONF", "NOREPLICAS")):
        return Unavailable("store-unavailable", "the script's store does not answer", text)
    if text.startswith("NOPERM"):
        return Failed("store-denied", "the script may not use its store in this way", text)
    return Failed("store-command", "the script's store refused a command", text)


def _packed(words):
    words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


class _Reader:
    """Reads values of RESP3, and of RESP2, of which it is a superset."""

    def __init__(self, data):
        self._data, self._at = bytes(data), 0

    def value(self):
        """Returns the next value."""
        line = self._until(self._data.index(b"\r\n", self._at), 2)
        kind, rest = line[:1], line[1:]
        if kind in b"$=!":
            return self._blob(kind, int(rest))
        if kind in b"*~>":
            return None if rest == b"-1" else [self.value() for _ in range(int(rest))]
        if kind in b"%":
            return {_key(self.value()): self.value() for _ in range(int(rest))}
        return _SIMPLE[kind](rest)

    def _blob(self, kind, size):
        if size < 0:
            return None
        data = self._until(self._at + size, 2)
        if kind == b"!":
            return Fault(data.decode("utf-8", "replace"))
        return data[4:].decode("utf-8", "replace") if kind == b"=" else data

    def _until(self, end, skipped):
        part, self._at = self._data[self._at : end], end + skipped
        return part


def _key(value):
    return repr(value) if isinstance(value, (list, dict)) else value


_SIMPLE = {
    b"+": bytes.decode,
    b"-": lambda text: Fault(text.decode("utf-8", "replace")),
    b":": int,
    b"(": int,
    b",": float,
    b"#": lambda text: text == b"t",
    b"_": lambda _: None,
}
