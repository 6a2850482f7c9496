"""What a script writes: prints, lines of `logging`, warnings and tracebacks.

Owns the streams that take the place of the process's own, and the text of a traceback. Must not
know calls.
"""

import codecs
import io
import logging
import sys
import traceback

import scorebox_door

_LONGEST_LINE = 16 << 10
"""A text without a line break is sent in parts of this number of characters, to bound its memory."""

_LONGEST_TRACEBACK = 16 << 10


_streams = ()
"""The streams that take the place of the process's own."""


class Lines(io.TextIOBase):
    """A text stream whose lines become lines of the host's log."""

    encoding, errors = "utf-8", "replace"

    def __init__(self, name, level):
        super().__init__()
        self.name, self._level, self._begun = name, level, ""
        self.buffer = _Bytes(self)

    def write(self, text):
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        *lines, begun = (self._begun + text).split("\n")
        for line in lines:
            self._send(line)
        start = 0
        while len(begun) - start > _LONGEST_LINE:
            self._send(begun[start : start + _LONGEST_LINE])
            start += _LONGEST_LINE
        self._begun = begun[start:]
        return len(text)

    def writable(self):
        return True

    def reconfigure(self, **_):
        """Does nothing: scripts set the encoding or the buffer of their output in vain."""

    def end(self):
        """Sends a line that has no line break yet. A call's lines do not wait for the next call."""
        begun, self._begun = self._begun, ""
        if begun:
            self._send(begun)

    def forget(self):
        """Drops a line that has no line break yet."""
        self._begun = ""

    def _send(self, line):
        scorebox_door.log(self._level, line)


class _Bytes(io.RawIOBase):
    """The stream of bytes below a stream of lines, which some scripts wrap or write to."""

    def __init__(self, lines):
        super().__init__()
        self._write = lines.write
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def writable(self):
        return True

    def write(self, data):
        self._write(self._decoder.decode(bytes(data)))
        return len(data)


def install():
    """Sends what the process writes to the log of the host.

    Records of the level INFO are written, too: they are what an author looks for, and nothing
    else than a script logs in its process.
    """
    global _streams
    _streams = sys.stdout, sys.stderr = Lines("<stdout>", b"i"), Lines("<stderr>", b"w")
    logging.StreamHandler.emit = _emit
    logging.lastResort.setLevel(logging.NOTSET)
    logging.getLogger().setLevel(logging.INFO)


def end_lines():
    """Sends the lines that a call began and did not end."""
    for stream in (sys.stdout, sys.stderr):
        if not isinstance(stream, Lines):
            # The stream of a script can hold back what it was given.
            try:
                stream.flush()
            except Exception:
                continue
    for stream in _streams:
        stream.end()


_emit_elsewhere = logging.StreamHandler.emit


def _emit(self, record):
    # A record keeps its level, which it would lose as a line of a stream.
    if not isinstance(self.stream, Lines):
        return _emit_elsewhere(self, record)
    try:
        scorebox_door.log(_level(record.levelno), self.format(record))
    except Exception:
        self.handleError(record)


def _level(number):
    if number >= logging.ERROR:
        return b"e"
    if number >= logging.WARNING:
        return b"w"
    return b"i" if number >= logging.INFO else b"d"


def traceback_of(error):
    """Returns the traceback of an exception without the frames of this world.

    A long traceback loses its middle.
    """
    try:
        text = "".join(traceback.format_exception(type(error), error, _below_world(error)))
    except BaseException as other:
        # The exception's own text can fail, or the memory can be full.
        text = f"{type(error).__name__} (its traceback cannot be written: {type(other).__name__})"
    text = text.rstrip("\n")
    if len(text) <= _LONGEST_TRACEBACK:
        return text
    half = _LONGEST_TRACEBACK // 2
    return f"{text[:half]}\n… {len(text) - 2 * half} characters left out …\n{text[-half:]}"


def _below_world(error):
    found = error.__traceback__
    while found is not None and _is_of_world(found.tb_frame):
        found = found.tb_next
    # An exception of the world itself keeps its frames.
    return found or error.__traceback__


def _is_of_world(frame):
    name = frame.f_globals.get("__name__", "")
    return name.startswith(("scorebox_", "importlib.", "wrapt")) or name in _WRAPPERS


_WRAPPERS = {"importlib", "inference_schema.schema_decorators"}
"""Modules whose frames are between the world and the script."""
