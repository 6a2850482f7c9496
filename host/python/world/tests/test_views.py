"""Tests of what modules of an app see of Python on a 32-bit machine, on a 64-bit one."""

import builtins
import datetime
import decimal
import fractions
import importlib
import importlib.util
import math
import os
import random
import struct
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

import scorebox_views as views

SCORE = """
import struct, sys
import {helper}
from sys import maxsize
from struct import pack
NUMBERS = [sys.maxsize, maxsize, len(pack("l", 1)), struct.calcsize("bn"), struct.Struct("2l").size, hash(2**62)]
OTHERS = [sys.modules is {helper}.sys.modules, {helper}.sys.maxsize, {helper}.__name__]
sys.scorebox_test = "written"
"""


@unittest.skipIf(views.IS_NARROW, "the answers are compared with those of a 64-bit machine")
class Views(unittest.TestCase):
    def test_hashes_are_those_of_a_64_bit_machine(self):
        draw = random.Random(1)
        values = [0, -1, -2, True, 2**61 - 1, -(2**70), 0.5, -1.0, 1e300, float("inf"), (), (1, (2.5,)), (-1,)]
        values += [draw.randint(-(10**22), 10**22) for _ in range(300)]
        values += [draw.uniform(-1e9, 1e9) for _ in range(300)]
        values += [1.5 - 2j, -1 + 0j, 0j, complex(2**40, -1), complex(3, float("inf")), range(5), range(9, 1, -3), range(2)]
        values += [fractions.Fraction(*pair) for pair in ((1, 3), (-7, 2), (5, 1), (1, 2**61 - 1), (-1, 2**61 - 1))]
        values += [decimal.Decimal(text) for text in ("1.5", "-0", "-1e-400", "7e99999", "Infinity", "123456789012345678.9", "7" * 5000)]
        values += [datetime.timedelta(seconds=10), datetime.timedelta(-3, 5, 7), datetime.timedelta()]
        values += [tuple(draw.randint(0, 10**20) for _ in range(length)) for length in range(1, 9)]
        for value in values:
            self.assertEqual(views.wide_hash(value), hash(value), value)
        self.assertEqual(views.wide_hash("a"), hash("a"))
        self.assertEqual(views.wide_hash(range(2**70)), hash(range(2**70)))
        self.assertRaises(TypeError, views.wide_hash, [])

    @unittest.skipUnless(importlib.util.find_spec("numpy"), "numpy is not installed")
    def test_hashes_of_numbers_of_numpy_are_those_of_a_64_bit_machine(self):
        import numpy as np

        for value in (np.float64(2.5e15), np.float32(1.5), np.float16(-2), np.float64(-1), np.int8(-1), np.uint64(2**63)):
            self.assertEqual(views.wide_hash(value), hash(value), value)
        for value in (np.complex128(1.5 - 3j), np.complex64(2j), np.float64("inf"), np.True_, np.add, np.vectorize(abs), np.float64):
            self.assertEqual(views.wide_hash(value), hash(value), value)

    def test_formats_are_those_of_a_64_bit_machine(self):
        for text in ("lLnNP", "@l", "bl", "<l", "3l2h", b"=L"):
            self.assertEqual(struct.calcsize(views.wide_format(text)), struct.calcsize(text), text)

    def test_modules_of_the_app_have_their_own_view(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        helper = "scorebox_test_helper"
        for name, text in ((helper, "import sys"), ("scorebox_test_score", SCORE.format(helper=helper))):
            with open(os.path.join(folder.name, name + ".py"), "w") as file:
                file.write(text)
        maximum, hooks = sys.maxsize, list(sys.path_hooks)
        self.addCleanup(setattr, views, "IS_NARROW", False)
        self.addCleanup(sys.path_hooks.__setitem__, slice(None), hooks)
        self.addCleanup(sys.path.remove, folder.name)
        self.addCleanup(setattr, sys, "maxsize", maximum)
        views.IS_NARROW = True
        views.install(folder.name)
        sys.path.insert(0, folder.name)
        # The view must not be the interpreter's own number.
        sys.maxsize = 5
        score = importlib.import_module("scorebox_test_score")
        self.assertEqual(score.NUMBERS, [maximum, maximum, 8, struct.calcsize("bn"), 16, hash(2**62)])
        self.assertEqual(score.OTHERS, [True, maximum, helper])
        self.assertEqual((sys.maxsize, sys.scorebox_test), (5, "written"))


    def test_longs_of_c_are_wide(self):
        space = {"__builtins__": vars(builtins) | {"__import__": views._import}}
        exec(
            "import ctypes\nfrom ctypes import c_long\nnames = [c_long, ctypes.c_ulong, ctypes.c_ssize_t, ctypes.c_size_t]\n"
            "found = c_long(2**40).value, ctypes.c_int(2**40).value, ctypes.sizeof(c_long)",
            space,
        )
        import ctypes

        self.assertEqual(space["names"], [ctypes.c_longlong, ctypes.c_ulonglong] * 2)
        self.assertEqual(space["found"], (2**40, 0, 8))

    @unittest.skipUnless(importlib.util.find_spec("numpy"), "numpy is not installed")
    def test_types_of_indices_are_wide(self):
        import numpy

        space = {"__builtins__": vars(builtins) | {"__import__": views._import}}
        exec(
            "import numpy as np\nimport numpy.random\nimport numpy.linalg as linalg\nfrom numpy import intp, zeros\n"
            "types = [np.intp, intp, numpy.intp, np.uintp]\nnp.scorebox_test = 1\nnp.pi = 3\nfound = [np.pi, linalg, zeros]",
            space,
        )
        self.addCleanup(setattr, numpy, "pi", math.pi)
        self.assertEqual(space["types"], [numpy.int64] * 3 + [numpy.uint64])
        self.assertIsNot(space["np"], numpy)
        self.assertEqual((numpy.scorebox_test, numpy.pi), (1, 3))
        self.assertEqual(space["found"], [3, numpy.linalg, numpy.zeros])


if __name__ == "__main__":
    unittest.main()
