"""JSON that the host reads for the script.

Owns when the host is asked. Must not know the form of messages. The values are those of
`json.loads`: what the host might read otherwise it declines, and Python reads that itself.
"""

import itertools
import json
import marshal

import numpy as np

import scorebox_door

_LEAST, _MOST = 128, (4 << 20) - (64 << 10)
"""Sizes of a text, in bytes, between which asking the host is faster and allowed."""

_ARRAYS = 64
"""Maximum number of arrays for which the host may be asked."""


class Reader:
    """Reads the bodies of requests, and makes arrays of some of their values.

    `shapes` has the shapes of these arrays by name, without the first dimension. A list of numbers of
    this shape becomes an array of 64-bit floats. Other values are those of `json.loads`.
    """

    def __init__(self, shapes):
        self._shapes = dict(itertools.islice(shapes.items(), _ARRAYS))
        self._arrays = scorebox_door.arrays(self._shapes)

    def loads(self, body):
        """Returns the value of a body in JSON."""
        is_read, value = _read(body, self._arrays)
        if not is_read:
            return json.loads(body)
        if type(value) is dict:
            for name, inner in self._shapes.items():
                numbers = value.get(name)
                if type(numbers) is bytes:
                    value[name] = np.frombuffer(numbers).reshape(-1, *inner).copy()
        return value


def install():
    """Makes `json.loads` and `json.load` without options ask the host."""
    json._default_decoder = _Decoder()


class _Decoder(json.JSONDecoder):
    def decode(self, s):
        is_read, value = _read(s)
        return value if is_read else super().decode(s)


def _read(text, *arrays):
    """Returns whether the host read a text, and its value."""
    if not _LEAST <= len(text) <= _MOST:
        return False, None
    try:
        found = scorebox_door.parsed(text if isinstance(text, bytes) else text.encode(), *arrays)
        return (True, marshal.loads(found)) if found else (False, None)
    except (OSError, MemoryError, UnicodeEncodeError):
        # The memory has no room for the message, or the text has a single surrogate. Python's own
        # reader needs less memory, and takes such texts.
        return False, None
