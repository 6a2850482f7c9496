"""Redis commands on a store of ``scorebox.toml``, whose setting ``commands`` lists those allowed.

Owns the encoding of commands and the values in replies. Must not know which commands are allowed.
"""

from __future__ import annotations

from typing import Any, List, Sequence, Union

from . import errors
from ._host import Err, case, interface

Word = Union[bytes, str, int, float]


class Fault(Exception):
    """An error that the server gave inside a reply, e.g. for one command of a transaction."""


class Connection:
    """A connection to a store of ``scorebox.toml``, which is opened when it is first used.

    Replies are values of Python: ``None``, ``bool``, ``int``, ``float``, ``str``, ``bytes``,
    ``list`` and ``dict``. An error inside a reply is a ``Fault``. If there is no reply, the methods
    raise ``Unavailable`` if a later command may succeed, and ``Failed`` if not.
    """

    def __init__(self, name: str = "default") -> None:
        self.name = name
        self._handle = None

    def execute(self, *words: Word) -> Any:
        """Sends one command, e.g. ``execute("HGET", "user", "age")``, and returns the reply."""
        return value(self._call("execute", _command(words)))

    def pipeline(self, commands: Sequence[Sequence[Word]]) -> List[Any]:
        """Sends several commands together, and returns their replies in order.

        If a command fails, the list has a ``ScoreError`` in place of its reply.
        """
        replies = self._call("pipeline", [_command(words) for words in commands])
        return [
            errors.of_redis(reply.value) if isinstance(reply, Err) else value(reply.value)
            for reply in replies
        ]

    def transaction(self, commands: Sequence[Sequence[Word]]) -> List[Any]:
        """Executes commands between MULTI and EXEC, and returns their replies.

        No command of another client is executed in between. If a command fails while it is
        executed, its reply is a ``Fault``, and the other commands take effect.
        """
        return [value(reply) for reply in self._call("transaction", [_command(words) for words in commands])]

    def _call(self, method: str, argument: Any) -> Any:
        try:
            if self._handle is None:
                self._handle = interface("redis").Connection.open(self.name)
            return getattr(self._handle, method)(argument)
        except Err as error:
            raise errors.of_redis(error.value) from error


def value(reply: Any) -> Any:
    """Converts a reply of the host to a Python value.

    In a reply, children come before their parents.
    """
    values: List[Any] = []
    for node in reply.nodes:
        kind, held = case(node), getattr(node, "value", None)
        if kind == "Array":
            held = [values[index] for index in held]
        elif kind == "Map":
            held = {_key(values[key]): values[item] for key, item in held}
        elif kind == "Fault":
            held = Fault(held)
        values.append(held)
    return values[reply.root]


def _key(value: Any) -> Any:
    return repr(value) if isinstance(value, (list, dict)) else value


def _command(words: Sequence[Word]) -> List[bytes]:
    return [word if isinstance(word, bytes) else str(word).encode() for word in words]
