"""JSON that the host reads for the script.

Owns when the host is asked. Must not know the form of messages. The values are those of
`json.loads`: what the host might read otherwise it declines, and Python reads that itself.
"""

import json
import marshal

import numpy as np

import scorebox_door

_LEAST, _MOST = 128, (16 << 20) - (64 << 10)
"""Sizes of a text, in bytes, between which asking the host is faster and allowed."""


class Reader:
    """Reads the bodies of requests, and makes arrays of some of their values.

    `shapes` has the shapes of these arrays by name, without the first dimension. A list of numbers of
    this shape becomes an array of 64-bit floats. Other values are those of `json.loads`.
    """

    def __init__(self, shapes):
        self._shapes = shapes
        self._arrays = scorebox_door.arrays(shapes)

    def loads(self, body):
        """Returns the value of a body in JSON."""
        found = _read(body, self._arrays)
        if not found:
            return json.loads(body)
        value = marshal.loads(found)
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
        found = None
        if len(s) >= _LEAST:
            try:
                found = _read(s.encode())
            except UnicodeEncodeError:
                # A single surrogate, which Python's JSON may have.
                pass
        return marshal.loads(found) if found else super().decode(s)


def _read(text, *arrays):
    if not _LEAST <= len(text) <= _MOST:
        return None
    try:
        return scorebox_door.parsed(text, *arrays)
    except OSError:
        # The memory has no room for the message. Python says how much it needs.
        return None
