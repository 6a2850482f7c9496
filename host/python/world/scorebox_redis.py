"""The package `redis` over the store of the host.

Owns what is changed in redis-py: its connections lead to the host, in whatever way a script
configures them. Must not know which commands are allowed.

Classes are changed in place, because scripts and redis-py itself hold them by name.
"""

import functools
import sys

import scorebox_door
import scorebox_hooks

_was_noted = False


def install():
    """Changes redis-py when it is imported."""
    scorebox_hooks.after_import("redis.connection", _change)


def forget():
    """Makes the next connection write its note again, for an instance made from a state image."""
    global _was_noted
    _was_noted = False


class Socket:
    """The place of a socket in redis-py. Commands are sent when their first reply is read."""

    def __init__(self, protocol, failures):
        self._protocol, self._failures = protocol, failures
        self._commands, self._replies = bytearray(), memoryview(b"")

    def sendall(self, commands):
        self._commands += commands

    def send(self, commands):
        self._commands += commands
        return len(commands)

    def recv(self, size, *_):
        if not self.has_replies():
            raise BlockingIOError(11, "no command was sent")
        part, self._replies = self._replies[:size], self._replies[size:]
        return bytes(part)

    def recv_into(self, buffer, *_):
        part = self.recv(len(buffer))
        buffer[: len(part)] = part
        return len(part)

    def has_replies(self):
        """Sends the commands that were not sent yet. Returns true if there is something to read."""
        if not self._replies and self._commands:
            commands, self._commands = bytes(self._commands), bytearray()
            try:
                self._replies = scorebox_door.redis(self._protocol, commands)
            except scorebox_door.StoreError as error:
                raise self._failures[error.timed_out](str(error)) from None
        return bool(self._replies)

    def getpeername(self):
        return ("store", 0)

    getsockname = getpeername

    def gettimeout(self):
        return None

    def fileno(self):
        return -1

    def _nothing(self, *_):
        pass

    settimeout = setblocking = setsockopt = shutdown = close = _nothing


def _change(connection):
    plain = connection.Connection
    base = getattr(connection, "AbstractConnection", plain)
    failures = connection.ConnectionError, connection.TimeoutError

    def connect(self):
        _note(self)
        return Socket(_protocol(self), failures)

    def on_connect(self, check_health=True):
        # The host's connection is ready, so there is no HELLO, AUTH, SELECT or CLIENT.
        if hasattr(self, "_reset_himport_state"):
            self._reset_himport_state()
        if _protocol(self) == 3 and isinstance(self._parser, connection._RESP2Parser):
            self.set_parser(connection._RESP3Parser)
        self._parser.on_connect(self)

    def init_ssl(self, **options):
        plain.__init__(
            self, **{name: value for name, value in options.items() if not name.startswith("ssl_")}
        )

    for name in ("Connection", "SSLConnection", "UnixDomainSocketConnection"):
        if hasattr(connection, name):
            getattr(connection, name)._connect = connect
    for one in {base, plain}:
        one.on_connect = on_connect
        one.can_read = _can_read
        one.check_health = _check_health
        if hasattr(one, "on_connect_check_health"):
            one.on_connect_check_health = on_connect
    connection.SSLConnection.__init__ = init_ssl
    if hasattr(connection, "Retry"):
        connection.Retry.call_with_retry = _once


def _protocol(connection):
    return 3 if str(getattr(connection, "protocol", 2)) == "3" else 2


def _can_read(self, timeout=0, **_):
    # A reply is there as soon as its command was sent. Nothing comes unasked.
    if not self._sock:
        self.connect()
    buffer = getattr(self._parser, "_buffer", None)
    if buffer is not None and _unread(buffer):
        return True
    return self._sock.has_replies()


def _check_health(self):
    # The host watches its connection. A PING may be a command that the script must not send.
    pass


def _unread(buffer):
    if hasattr(buffer, "unread_bytes"):
        return buffer.unread_bytes()
    return buffer.length


def _once(self, do, fail, is_retryable=None, with_failure_count=False, **_):
    # The host repeats a command where that is harmless. redis-py would sleep for seconds.
    try:
        return do()
    except self._supported_errors as error:
        fail(error, 1) if with_failure_count else fail(error)
        raise


def _note(connection):
    global _was_noted
    if _was_noted:
        return
    has = functools.partial(getattr, connection)
    settings = {
        "address": has("host", "localhost") != "localhost" or has("path", None),
        "database": has("db", 0),
        "user": has("username", None),
        "password": has("password", None) or has("credential_provider", None),
        "TLS": isinstance(connection, sys.modules["redis.connection"].SSLConnection),
    }
    given = [name for name, is_given in settings.items() if is_given]
    if given:
        _was_noted = True
        scorebox_door.log(
            b"i",
            "The script's Redis client uses the store of scorebox.toml. "
            f"Settings of the client that are ignored: {', '.join(given)}.",
        )
