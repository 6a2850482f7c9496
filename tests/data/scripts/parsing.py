"""Compares JSON that the host reads with JSON that Python reads.

A request {"texts": [...], "random": N, "seed": N} is answered with what differs, and with the number
of texts that the host read.
"""
import json
import math
import random
import struct

import scorebox_door

MUTATIONS = ' \t\n"\\[]{},:.-+eE0127aNIu\u00a0\x00\x1f\x7f\ud800'


def init():
    pass


def run(raw_data):
    request = json.loads(raw_data)
    random.seed(request["seed"])
    texts = request["texts"] + [one for _ in range(request["random"]) for one in made()]
    different = [text for text in texts if outcome(json.loads, text) != outcome(natively, text)]
    by_host = sum(is_by_host(text) for text in texts)
    return {"texts": len(texts), "by_host": by_host, "different": [ascii(text) for text in different][:5]}


def made():
    """Returns a text in JSON, and the same text with one change."""
    # Short texts are not given to the host.
    text = json.dumps([value(4), " " * 128], ensure_ascii=random.random() < 0.5)
    place = random.randrange(len(text))
    return text, text[:place] + random.choice(MUTATIONS) + text[place + random.randrange(2) :]


def value(depth):
    kind = random.randrange(8 if depth else 6)
    if kind == 0:
        return random.choice([None, True, False, "", [], {}, 0, -0.0, 1e400, 5e-324, 2**63, -(2**63)])
    if kind == 1:
        return random.randrange(-(2 ** random.randrange(1, 80)), 2 ** random.randrange(1, 80))
    if kind == 2:
        number = struct.unpack("d", random.randbytes(8))[0]
        return number if math.isfinite(number) else random.random()
    if kind == 3:
        return round(random.uniform(-1000, 1000), random.randrange(12))
    if kind in (4, 5):
        return word()
    items = range(random.randrange(5))
    if kind == 6:
        return [value(depth - 1) for _ in items]
    return {word(): value(depth - 1) for _ in items}


def word():
    ranges = [(32, 127), (0, 256), (0, 0xD7FF), (0xD800, 0xDFFF), (0xE000, 0x10FFFF)]
    first, last = random.choices(ranges, [6, 2, 2, 0.1, 1])[0]
    return "".join(chr(random.randint(first, last)) for _ in range(random.randrange(6)))


def natively(text):
    """Reads a text with Python's own decoder, which a class that is named is."""
    return json.loads(text, cls=json.JSONDecoder)


def outcome(read, text):
    """Returns what reading a text gives: the value with its types and the order of its keys, or the error."""
    try:
        return repr(read(text))
    except (ValueError, RecursionError) as error:
        return f"{type(error).__name__}: {error}"


def is_by_host(text):
    try:
        return bool(scorebox_door.parsed(text.encode()))
    except UnicodeEncodeError:
        return False
