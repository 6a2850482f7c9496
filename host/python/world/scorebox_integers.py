"""Gives scripts 64-bit integers in a numpy that was compiled for 32-bit pointers.

Owns what of numpy can be changed while it runs. Must not know scripts or the door. When the pack is made, the machine
code of numpy is changed first, see `host/python/src/make/integers.rs`. Since then Python integers, `dtype=int`, `arange`
and sums have 64 bits, and arithmetic with indices gives 64-bit integers. This module does the rest. It must be imported
after numpy and before any other library:

- Names such as `np.int_`, `'int'` and `'intp'`, and the letters of C's `long`, mean 64 bits, as on every 64-bit machine.
- `np.int32` means the C type `int`, which has 32 bits everywhere and wraps as it does natively. The C type `long`, which
  has 32 bits here and 64 bits natively, is left for indices: `argsort`, `nonzero` and Cython's `intp_t` make it. The
  letters `'n'` and `'N'` mean it, which no library uses.
"""

import functools
import types

import numpy as np
from numpy._core import _internal, arrayprint, einsumfunc, numerictypes

import scorebox_hooks

_index, _unsigned_index, _wide = np.dtype("n"), np.dtype("N"), np.dtype("q")

# Address of the table in which numpy finds the number of a type by its letter, in 2-byte words of the pinned wheel.
_NUMBERS_OF_LETTERS = 27651722
_LETTERS = "?bBhHiIlLqQefdgFDGOSUVMmpPnN"

# Places in `PyUFuncObject`, `PyTypeObject` and `PyNumberMethods`, in 4-byte words of CPython 3.15 on wasm32.
_UFUNC_DISPATCH_CACHE, _TYPE_NAME, _TYPE_AS_NUMBER, _TYPE_FLAGS = 31, 3, 12, 21
_IMMUTABLE = 1 << 8

# Names of the counts of `binomial` and `hypergeometric`.
_COUNTS = {"n", "ngood", "nbad", "nsample"}
_OPERATORS = (*range(0, 9), *range(10, 16), *range(19, 34))


class _Memory:
    """Words of the sandbox's memory, as numpy's array interface describes them."""

    def __init__(self, address, words, size):
        self.__array_interface__ = {
            "version": 3,
            "data": (address, False),
            "shape": (words,),
            "typestr": f"<u{size}",
        }


def _words(address, count, size=4):
    return np.asarray(_Memory(address, count, size))


def install():
    """Widens numpy's integers. Does nothing where they have 64 bits, and nothing if it was called before."""
    if _index.itemsize == 8 or np.dtype(np.int_) == _wide:
        return
    if np.array([1]).dtype != _wide:
        raise RuntimeError(
            "numpy has 32-bit integers: make the pack with the changes of src/make/integers.rs"
        )
    for ufunc in _functions_of_indices():
        _prime(ufunc)
    _promote_scalars()
    _rename()
    _serve_compiled_code()
    _check_counts()
    # numpy.random is imported by now. It computes its bounds from the letters, for compiled code.
    _widen_letters()


def _functions_of_indices():
    """Returns numpy's functions that give an index for indices."""
    found = {id(value): value for value in vars(np._core.umath).values() if isinstance(value, np.ufunc)}
    for ufunc in found.values():
        forms = (form.split("->") for form in ufunc.types)
        if any(set(inputs) == {"l"} and "l" in outputs for inputs, outputs in forms):
            yield ufunc


def _prime(ufunc):
    """Fills a function's table of known types. For indices, numpy takes only what is in the table."""
    shape = (1, 1) if ufunc.signature else ()
    wide = np.ones(shape, _wide)
    others = [np.ones(shape, letter) for letter in "?bBhHiIqQefdgFDG"]
    for other in [wide, *others, *([] if shape else [1, 1.0])]:
        for place in range(ufunc.nin):
            _tried(ufunc, [other if place == one else wide for one in range(ufunc.nin)])
            _tried(ufunc, [wide if place == one else other for one in range(ufunc.nin)])
    if not shape:
        _tried(ufunc, [1] * ufunc.nin)
        _widen_python_integers(ufunc, _known_types(ufunc))


def _tried(ufunc, operands):
    try:
        ufunc(*operands)
    except TypeError:
        # The function does not take numbers of these types.
        pass


def _known_types(ufunc):
    """Returns the rows of a function's table of known types: what is known, then the types."""
    key_count, buckets = _words(int(_words(id(ufunc), 32)[_UFUNC_DISPATCH_CACHE]), 2).tolist()
    size = int(_words(buckets + 4, 1)[0])
    if key_count != ufunc.nargs or size & (size - 1) or size > 4096:
        raise RuntimeError(f"the table of types of numpy.{ufunc.__name__} has an unknown form")
    return _words(buckets + 12, size * (key_count + 1)).reshape(size, key_count + 1)


def _widen_python_integers(ufunc, rows):
    """Makes a function of Python integers alone compute with 64 bits."""
    if ufunc.nin != 2:
        return
    kinds = type(_wide).__base__.__subclasses__()
    integer = next(id(kind) for kind in kinds if kind.__name__ == "_PyLongDType")
    wide, outputs = id(type(_wide)), [0] * ufunc.nout
    known = rows[:, 0]
    found = known[(rows[:, 1:] == [wide, wide, *outputs]).all(axis=1)]
    for key in ([wide, integer], [integer, wide], [integer, integer]):
        known[(rows[:, 1:] == [*key, *outputs]).all(axis=1)] = found[0]


def _promote_scalars():
    """Makes the operators of one index compute as those of an array of indices."""
    index, generic = (
        _words(int(_words(id(type_), 13)[_TYPE_AS_NUMBER]), 36)
        for type_ in (_index.type, np.generic)
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
    # The types `np.intp` and `np.uintp` are left to libraries. For modules of the app, see scorebox_views.py.
    numerictypes.sctypeDict |= {"intp": np.int64, "uintp": np.uint64}
    # Texts of a scalar say `np.int32`, as natively, and not `np.intc`.
    for narrow, meaning in ((_index.type, np.intc), (_unsigned_index.type, np.uintc)):
        _words(id(meaning), 4)[_TYPE_NAME] = _words(id(narrow), 4)[_TYPE_NAME]
    # Texts of arrays of indices name no type, as natively.
    arrayprint._typelessdata[:] = [np.int64, _index.type, np.float64, np.complex128, np.bool]
    # The format of a buffer has C's types, not the names of scripts.
    _internal._pep3118_native_map |= {"l": "n", "L": "N"}


def _widen_letters():
    """Gives the letters of C's `long` and of pointers their meaning on a 64-bit machine."""
    table = _words(_NUMBERS_OF_LETTERS, 128, size=2)
    places = [ord(letter) for letter in _LETTERS]
    if table[places].tolist() != [np.dtype(letter).num for letter in _LETTERS]:
        raise RuntimeError("numpy's table of the letters of types has an unknown form")
    table[[ord("l"), ord("p")]] = _wide.num
    table[[ord("L"), ord("P")]] = np.dtype("Q").num


def _serve_compiled_code():
    """Lets compiled code that asks numpy for a C type have that C type."""
    # Its arrays of `np.long` are filled as arrays of C's `long`.
    np.random.mtrand.np = _numpy_with(long=_index.type, ulong=_unsigned_index.type)
    for name, change in (
        ("scipy.optimize._lbfgsb_py", _keep_int32),
        ("scipy.optimize._slsqp_py", _keep_int32),
        ("scipy.integrate._ode", _keep_int32),
        ("sklearn.utils._random", _keep_default_integer),
        ("pandas._libs.lib", _take_wide_indices),
        ("pandas.core.groupby.ops", _make_indices),
    ):
        scorebox_hooks.after_import(name, change)
    products = einsumfunc.c_einsum

    def c_einsum(*operands, **settings):
        return products(*map(_widened, operands), **settings)

    einsumfunc.c_einsum = c_einsum


def _numpy_with(**names):
    """Returns a copy of the module numpy with other meanings of some names."""
    module = types.ModuleType("numpy")
    vars(module).update(vars(np) | names)
    return module


def _keep_int32(module):
    """The module's C code compares numbers of types, and takes C's `long` alone for 32 bits."""
    module.np = _numpy_with(int32=_index.type)


def _keep_default_integer(module):
    """Cython code has the default integer of numpy's type for indices, which is C's `long`."""

    def empty(shape, dtype=float):
        return np.empty(shape, _index if dtype is int else dtype)

    module.np = _numpy_with(empty=empty, int_=np.intp)


def _take_wide_indices(module):
    """pandas computes this function's argument, so it may have 64 bits."""
    slices = module.maybe_indices_to_slice

    def maybe_indices_to_slice(indices, max_len):
        return slices(indices.astype(np.intp, copy=False), max_len)

    module.maybe_indices_to_slice = maybe_indices_to_slice


def _make_indices(module):
    """pandas names the type of these results as a text, and its Cython code fills them as indices."""
    operation = module.WrappedCythonOp
    get_out_dtype = operation._get_out_dtype

    def _get_out_dtype(self, dtype):
        return _index if self.how in ("idxmin", "idxmax") else get_out_dtype(self, dtype)

    operation._get_out_dtype = _get_out_dtype


def _check_counts():
    """Gives the old generator's functions of counts such counts as their compiled code has, or raises an error.

    Otherwise, `binomial` refuses arrays of 64-bit integers, and `hypergeometric` computes with the lower half of one count.
    """
    kind = np.random.RandomState
    flags = _words(id(kind), _TYPE_FLAGS + 1)[_TYPE_FLAGS:]
    kept = flags[0]
    flags[0] = kept & ~np.uintc(_IMMUTABLE)
    for name, counts in (("binomial", 1), ("hypergeometric", 3)):
        setattr(kind, name, _with_counts(getattr(kind, name), counts))
    flags[0] = kept
    for name in ("binomial", "hypergeometric"):
        bound = getattr(np.random.mtrand._rand, name)
        setattr(np.random, name, bound)
        setattr(np.random.mtrand, name, bound)


def _with_counts(method, counts):
    @functools.wraps(method)
    def call(self, *arguments, **named):
        try:
            arguments = [_indices(one) if at < counts else one for at, one in enumerate(arguments)]
            named = {name: _indices(one) if name in _COUNTS else one for name, one in named.items()}
        except OverflowError:
            name = method.__name__
            raise OverflowError(
                f"`{name}` of this generator takes counts up to 2147483647 in the sandbox: use np.random.default_rng().{name}"
            ) from None
        return method(self, *arguments, **named)

    return call


def _indices(value):
    """Returns integers as indices. Raises an error if one does not fit."""
    found = np.asarray(value)
    return found.astype(_index)[()] if found.dtype.kind in "iu" and found.dtype != _index else value


def _widened(operand):
    return operand.astype(_wide) if getattr(operand, "dtype", None) is _index else operand
