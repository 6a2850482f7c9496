"""Lines in the host's log, under the id of the call.

Owns one function for each level. Must not know the form of a line.
"""

from __future__ import annotations

from ._host import interface


def trace(message: str) -> None:
    """Writes a line of the level ``trace``."""
    write("trace", message)


def debug(message: str) -> None:
    """Writes a line of the level ``debug``."""
    write("debug", message)


def info(message: str) -> None:
    """Writes a line of the level ``info``."""
    write("info", message)


def warn(message: str) -> None:
    """Writes a line of the level ``warn``."""
    write("warn", message)


def error(message: str) -> None:
    """Writes a line of the level ``error``."""
    write("error", message)


def write(level: str, message: str, context: str = "") -> None:
    """Writes a line of the level ``level``, from ``trace`` to ``error``, or ``critical``.

    ``context`` names the part of the scorer that writes it. The host cuts long lines, and drops
    lines beyond its limit for a call.
    """
    logging = interface("logging")
    logging.log(getattr(logging.Level, level.upper()), context, str(message))
