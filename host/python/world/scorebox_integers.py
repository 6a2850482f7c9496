"""Gives scripts 64-bit integers in a numpy that was compiled for 32-bit pointers.

Owns what of numpy can be changed while it runs. Must not know scripts, the door or pandas. The pack's maker changes the
machine code of numpy before, see `host/python/src/make/integers.rs`: Python integers, `dtype=int`, `arange` and sums have
64 bits by that. This module does the rest, before any library but numpy is imported:

- Names such as `np.int_` and `'int'` mean 64 bits, as on every 64-bit machine.
- The C type `long`, which has 32 bits here, is left for indices alone: `argsort`, `nonzero`, `bincount` and Cython's
  `intp_t` make it. Arithmetic with indices gives 64-bit integers, because numpy's own tables say so after `install()`.
- `np.int32` means the C type `int`, which has 32 bits everywhere and wraps as it does natively.

The tables are parts of numpy's memory, which is the sandbox's own. An error here can break a script and nothing else.
"""

import types

import numpy as np
from numpy._core import _internal, arrayprint, einsumfunc, numerictypes

_index = np.dtype("p")
_wide = np.dtype("q")

# Offsets in `PyUFuncObject`, `PyTypeObject` and `PyNumberMethods`, by 4-byte words of CPython 3.15 on wasm32.
_UFUNC_NARGS, _UFUNC_DISPATCH_CACHE = 4, 31
_TYPE_NAME, _TYPE_AS_NUMBER = 3, 12
_OPERATORS = (*range(0, 9), *range(10, 16), *range(19, 34))


class _Memory:
    """Words of the sandbox's memory, as numpy's array interface describes them."""

    def __init__(self, address, words):
        self.__array_interface__ = {"version": 3, "data": (address, False), "shape": (words,), "typestr": "<u4"}


def _words(address, count):
    return np.asarray(_Memory(address, count))


def install():
    """Widens numpy's integers. Does nothing where they have 64 bits, and nothing if it was called before."""
    if _index.itemsize == 8 or np.dtype(np.int_) == _wide:
        return
    if np.array([1]).dtype != _wide:
        raise RuntimeError("numpy has 32-bit integers: the pack was made without the changes of make/integers.rs")
    for ufunc in _ufuncs():
        _promote(ufunc)
    _promote_scalars()
    _rename()
    _keep_c_types()


def _ufuncs():
    """Returns numpy's functions that compute an index from indices."""
    found = {id(value): value for value in vars(np._core.umath).values() if isinstance(value, np.ufunc)}
    for ufunc in found.values():
        if any("l" in loop.split("->")[1] and set(loop.split("->")[0]) == {"l"} for loop in ufunc.types):
            yield ufunc


def _promote(ufunc):
    """Makes a function of indices compute with 64 bits: its table of known types leads to the other loop."""
    for number in (_index.type(1), _wide.type(1)):
        operand = np.full((1, 1), number) if ufunc.signature else number
        ufunc(*[np.asarray(operand)] * ufunc.nin)
        if ufunc.nin == 2 and ufunc.nout == 1 and not ufunc.signature:
            ufunc(np.asarray(number), 1)
            ufunc(1, np.asarray(number))
    if not ufunc.signature:
        ufunc(*[1] * ufunc.nin)
    cache = _words(id(ufunc), _UFUNC_DISPATCH_CACHE + 1)
    keys = int(cache[_UFUNC_NARGS])
    key_count, buckets = _words(int(cache[_UFUNC_DISPATCH_CACHE]), 2).tolist()
    size = int(_words(buckets + 4, 1)[0])
    if key_count != keys or size & (size - 1) or size > 4096:
        raise RuntimeError(f"the table of types of numpy.{ufunc.__name__} has another form than expected")
    rows = _words(buckets + 12, size * (keys + 1)).reshape(size, keys + 1)
    narrow, wide = (_row(rows, [id(type(dtype))] * ufunc.nin + [0] * ufunc.nout) for dtype in (_index, _wide))
    if narrow is None or wide is None:
        raise RuntimeError(f"numpy.{ufunc.__name__} has no entry for integers of 32 or 64 bits")
    values = rows[:, 0]
    values[values == narrow] = wide


def _row(rows, key):
    found = rows[(rows[:, 1:] == key).all(axis=1), 0].tolist()
    return found[0] if found else None


def _promote_scalars():
    """Makes operators of one index compute as those of an array of indices."""
    index, generic = (
        _words(int(_words(id(type_), 13)[_TYPE_AS_NUMBER]), 36) for type_ in (_index.type, np.generic)
    )
    for slot in _OPERATORS:
        if index[slot] and generic[slot]:
            index[slot] = generic[slot]


def _rename():
    """Gives the names of integers their meaning on a 64-bit machine."""
    meanings = {"int_": np.int64, "uint": np.uint64, "long": np.int64, "ulong": np.uint64}
    meanings |= {"int32": np.intc, "uint32": np.uintc}
    for name, meaning in meanings.items():
        setattr(np, name, meaning)
        setattr(numerictypes, name, meaning)
        numerictypes.sctypeDict[name] = meaning
    numerictypes.sctypeDict |= {"int": np.int64, "i4": np.intc, "u4": np.uintc}
    for narrow, meaning in ((_index.type, np.intc), (np.dtype("P").type, np.uintc)):
        names = [_words(id(type_), 4) for type_ in (narrow, meaning)]
        names[1][_TYPE_NAME] = names[0][_TYPE_NAME]
    arrayprint._typelessdata[:] = [np.int64, np.float64, np.complex128, np.bool]
    _internal._pep3118_native_map |= {"l": "p", "L": "P"}


def _keep_c_types():
    """Lets compiled code that asks for C's `long` by name have it, and sums of products widen indices."""
    mtrand = np.random.mtrand
    narrow = types.ModuleType("numpy")
    vars(narrow).update(vars(np))
    narrow.long, narrow.ulong = _index.type, np.dtype("P").type
    mtrand.np = narrow

    products = einsumfunc.c_einsum

    def c_einsum(*operands, **settings):
        wide = [part.astype(_wide) if getattr(part, "dtype", None) is _index else part for part in operands]
        return products(*wide, **settings)

    einsumfunc.c_einsum = c_einsum
