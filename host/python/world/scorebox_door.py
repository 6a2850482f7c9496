"""The messages between the script and the host.

Owns the form of each message that goes through the one function `_host.call`. Must not know who
sends a message, or why.

The first byte of a message says what it is about:

| byte | body | answer |
|---|---|---|
| `Q` | nothing | the next request: u32 length of its attributes, attributes in JSON, body |
| `A` | how the call ended, u32 length of the head, head in JSON, body or text | nothing |
| `R` | version of the protocol, commands for Redis | 0 and replies, 1 and a text, or 2 and a text after a timeout |
| `L` | level, text | nothing |
| `M` | a metric in JSON | nothing |
| `G` | u32 length of the head, head in JSON, tensors | 0 and the same form, or 1 and a text |
| `J` | u32 length of the list of arrays, the list in JSON or nothing, a text in JSON | its value in the format of `marshal`, or nothing if Python must read the text |
| `I` | nothing | facts about the model in JSON |
| `S` | the contract of the script in JSON | nothing |

Lengths are little-endian. The head of an answer has `status`, `headers` (a list of pairs) and
`content_type`. It is empty if the call raised an exception.
"""

import json

import _host

ANSWERED, RAISED, REFUSED = 0, 1, 2
"""How a call ended: with an answer, with an exception, or with a request that does not fit."""


class StoreError(Exception):
    """The host could not run commands on the store."""

    def __init__(self, text, timed_out=False):
        super().__init__(text)
        self.timed_out = timed_out


class GraphError(Exception):
    """The host could not run a graph."""


def next_request():
    """Waits for the next request. Returns its attributes, as JSON, and its body.

    Raises `ConnectionRefusedError` at the end of the instance's life.
    """
    message = _host.call(b"Q")
    end = 4 + int.from_bytes(message[:4], "little")
    return message[4:end], message[end:]


def answer(ending, head, body):
    """Ends the call with an answer, or with the text of an exception."""
    # Most answers have one and the same head.
    packed = _PLAIN if head is PLAIN else _packed(head)
    _host.call(b"A" + bytes((ending,)) + packed + body)


def contract(facts):
    """Tells the host how to call the script. NaN and infinite numbers of samples become null."""
    strict = json.loads(json.dumps(facts), parse_constant=lambda _: None)
    _host.call(b"S" + json.dumps(strict).encode())


def log(level, text):
    """Writes a line of the log. `level` is one of `b"d"`, `b"i"`, `b"w"` and `b"e"`."""
    _host.call(b"L" + level + text.encode("utf-8", "replace"))


def metric(facts):
    """Records a metric."""
    _host.call(b"M" + json.dumps(facts).encode())


def arrays(shapes):
    """Returns the list of arrays for `parsed`. `shapes` has their shapes without the first dimension, by name."""
    return _packed([{"name": name, "inner": inner} for name, inner in shapes.items()])


def parsed(text, arrays=b"\0\0\0\0"):
    """Returns the value of a text in JSON in the format of `marshal`, or nothing if the host declines.

    Lists of numbers with the shape of one of the arrays are bytes: 64-bit floats.
    """
    return _host.call(b"J" + arrays + text)


def model_info():
    """Returns facts about the model: a dict with `name`, `version`, `digest` and `labels`."""
    return json.loads(_host.call(b"I"))


def redis(protocol, commands):
    """Runs commands for Redis, and returns the bytes of their replies.

    Raises `StoreError` if the host cannot reach the store.
    """
    reply = _host.call(b"R%d" % protocol + commands)
    if reply[:1] != b"\0":
        raise StoreError(str(reply[1:], "utf-8", "replace"), timed_out=reply[:1] == b"\2")
    return memoryview(reply)[1:]


def graph(head, tensors):
    """Runs a graph of the model. Returns the head of its outputs and their bytes.

    Raises `GraphError` if the graph does not exist or cannot run.
    """
    reply = _host.call(b"".join((b"G", _packed(head), *tensors)))
    if reply[:1] != b"\0":
        raise GraphError(str(reply[1:], "utf-8", "replace"))
    return _unpacked(reply[1:])


def _packed(head):
    text = json.dumps(head).encode()
    return len(text).to_bytes(4, "little") + text


def _unpacked(message):
    size = int.from_bytes(message[:4], "little")
    return json.loads(message[4 : 4 + size] or b"{}"), message[4 + size :]


PLAIN = {"status": 200, "headers": [], "content_type": "application/json"}
"""Head of an answer in JSON that is neither an error nor made by the script itself."""

_PLAIN = _packed(PLAIN)
