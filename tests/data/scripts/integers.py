"""Arithmetic of integers as scripts have it, whose values may need 64 bits: {"do": name, "n": number}."""
import json
import struct
import sys

import numpy as np
import pandas as pd


def init():
    pass


OPERATIONS = {
    "arange sum": lambda n: np.arange(n).sum(),
    "array sum": lambda n: np.array([n, n]).sum(),
    "array product": lambda n: np.array([n, n]).prod(),
    "multiply": lambda n: np.array([n]) * n,
    "multiply arrays": lambda n: np.array([n]) * np.array([n]),
    "power": lambda n: np.array([n]) ** 2,
    "add": lambda n: np.array([n]) + n,
    "in place": lambda n: in_place(n),
    "cumulated": lambda n: np.cumsum([n, n, n]),
    "dot": lambda n: np.dot(np.array([n, n]), np.array([n, n])),
    "matmul": lambda n: np.array([[n]]) @ np.array([[n]]),
    "shift": lambda n: np.array([1]) << (n % 62),
    "as int": lambda n: np.array([float(n) * n]).astype(int),
    "as int text": lambda n: np.array([str(n * 1000)]).astype("int"),
    "as letter": lambda n: np.array([n * 1000.0]).astype("l") * n,
    "letter sum": lambda n: np.sum([n, n, n], dtype="p") * n,
    "zeros": lambda n: np.zeros(1, dtype=int) + n * 1000,
    "full": lambda n: np.full(2, n) * n,
    "ones": lambda n: np.ones(3, dtype=int) * n * 1000,
    "scalar": lambda n: np.int_(n) * np.int_(n),
    "scalar of array": lambda n: np.array([n])[0] * n,
    "mean": lambda n: np.array([n, n, n]).mean(),
    "where": lambda n: np.where(np.array([True, False]), n, 0) * n,
    "bool sum": lambda n: (np.arange(n) % 2 == 0).sum() * n,
    "series sum": lambda n: pd.Series([n, n, n]).sum(),
    "series product": lambda n: pd.Series([n, n]) * n,
    "frame": lambda n: (pd.DataFrame({"a": [n], "b": [n]}).prod(axis=1)),
    "group": lambda n: pd.DataFrame({"k": ["x", "x"], "v": [n, n]}).groupby("k").v.sum(),
    "random": lambda n: np.random.default_rng(0).integers(0, n * n, 3),
    "outer": lambda n: np.outer([n], [n]),
    "einsum": lambda n: np.einsum("i,i->", np.array([n, n]), np.array([n, n])),
    "hash": lambda n: np.array([n]) * 2654435761 % 1000003,
    "hash of numbers": lambda n: [hash(n * n), hash((n, n / 7, (-n * n,))), hash(np.int64(n) * n)],
    "least of numbers": lambda n: min([sys.maxsize, n * n]),
    "bytes of a number": lambda n: struct.pack("l", n * n).hex(),
    "positions": lambda n: np.argsort([2.0, 3.0, 1.0]) * n * n,
    "counts": lambda n: np.bincount([1, 1, 0]) * n * n,
    "values": lambda n: pd.Series([n, n, 1]).value_counts().sort_index().mul(n * n).tolist(),
}


def in_place(n):
    a = np.array([n, 1])
    a *= n
    return a


def run(raw_data):
    request = json.loads(raw_data)
    value = OPERATIONS[request["do"]](request["n"])
    return value.tolist() if hasattr(value, "tolist") else value
