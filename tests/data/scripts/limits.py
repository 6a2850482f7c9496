"""Does what a request asks for: {"do": name}. Each name is a way to run into a limit, or to end."""
import json
import sys
import time

import numpy as np


def init():
    global calls
    calls = 0


def run(raw_data):
    global calls
    calls += 1
    request = json.loads(raw_data)
    return globals()["do_" + request["do"].replace("-", "_")](request)


def do_nothing(_):
    return {"calls": calls}


def do_loop(_):
    while True:
        pass


def do_loop_that_catches(_):
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass


def do_multiply(_):
    a = np.ones((1000, 1000))
    while True:
        a = a @ a / 1000


def do_pattern(_):
    import re

    return bool(re.match(r"(a+)+$", "a" * 40 + "b"))


def do_sum(_):
    return sum(range(10**10))


def do_sleep(_):
    time.sleep(600)


def do_bytes(_):
    return len(bytearray(1 << 30))


def do_ones(_):
    return float(np.ones(1 << 27).sum())


def do_list(_):
    found = []
    while True:
        found.append(bytes(1 << 16))


def do_dicts(_):
    found = []
    while True:
        found.append({number: number for number in range(1000)})


def do_depth(_):
    return do_depth(_)


def do_deep_c(_):
    value = []
    for _ in range(100_000):
        value = [value]
    return json.dumps(value)


def do_chain(_):
    chain = None
    for _ in range(3_000_000):
        chain = (chain,)
    return 1


def do_exit(_):
    sys.exit(3)


def do_hard_exit(_):
    import os

    os._exit(3)


def do_abort(_):
    import os

    os.abort()


def do_raise(_):
    raise ValueError("boom")


def do_interrupt(_):
    raise KeyboardInterrupt


def do_nan(_):
    return {"value": float("nan")}


def do_array(_):
    return np.arange(3)


def do_thread(_):
    import threading

    threading.Thread(target=print).start()


def do_answer(request):
    return request["answer"]


def do_large(request):
    return "x" * request["bytes"]
