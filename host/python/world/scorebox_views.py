"""What a script sees of Python where Python itself has other numbers on a 64-bit machine.

Owns `hash`, `sys.maxsize`, the native formats of `struct`, C's `long` in `ctypes` and numpy's types
for indices, for the modules of the app alone: libraries need those of this interpreter. Must not
know scripts.
"""

import builtins
import datetime
import numbers
import struct
import sys
from importlib.machinery import FileFinder, SourceFileLoader
from types import ModuleType

IS_NARROW = sys.maxsize < 2**32
"""True if pointers have 32 bits, as in the sandbox. Nothing is changed elsewhere."""

_MAXIMUM = 2**63 - 1
_PRIME = 2**61 - 1
_MASK = 2**64 - 1
_INFINITY = float("inf")
_HASH_OF_INFINITY = 314159
_HASH_OF_NONE = 0xFCA86420
_IMAGINARY = 1000003
_WIDE_FORMATS = str.maketrans("lLnNP", "qQqQQ")


class Loader(SourceFileLoader):
    """Loads a module of the app with its own view of Python."""

    def exec_module(self, module):
        module.__builtins__ = vars(builtins) | {"hash": wide_hash, "__import__": _import}
        super().exec_module(module)


def loader_of(name, path):
    """Returns a loader for a file of the app, or `None` if the usual one does."""
    return Loader(name, path) if IS_NARROW else None


def install(folder):
    """Makes modules in a folder, and in folders below it, be loaded with their own view."""
    if not IS_NARROW:
        return

    def finder(path):
        if path != folder and not path.startswith(folder + "/"):
            raise ImportError(f"{path} is not a folder of the app", path=path)
        return FileFinder(path, (Loader, [".py"]))

    sys.path_hooks.insert(0, finder)
    sys.path_importer_cache.clear()


def wide_hash(value):
    """Returns the hash that a 64-bit machine has for numbers, tuples of them, ranges and durations."""
    kind = type(value)
    of_numpy = kind.__module__ == "numpy" and kind.__hash__
    if kind.__hash__ is int.__hash__ or (of_numpy and hasattr(value, "__index__")):
        return _signed(abs(int(value)) % _PRIME, value < 0)
    if kind.__hash__ is float.__hash__ or (of_numpy and hasattr(value, "as_integer_ratio")):
        # Infinity and NaN have the same hash on both machines.
        return _hash_of_ratio(*value.as_integer_ratio()) if -_INFINITY < value < _INFINITY else hash(value)
    if kind.__hash__ is complex.__hash__ or (of_numpy and isinstance(value, numbers.Complex)):
        return _in_64_bits(wide_hash(value.real) + _IMAGINARY * wide_hash(value.imag))
    if kind.__module__ == "fractions":
        return _hash_of_ratio(value.numerator, value.denominator)
    if kind.__module__ == "decimal" and kind.__name__ == "Decimal" and value.is_finite():
        return _hash_of_decimal(value)
    if kind.__hash__ is tuple.__hash__:
        return _hash_of_tuple(value)
    if kind is range:
        count = _count(value)
        return _hash_of_tuple((count, value.start if count else None, value.step if count > 1 else None))
    if isinstance(value, datetime.timedelta) and not getattr(value, "nanoseconds", 0):
        return _hash_of_tuple((value.days, value.seconds, value.microseconds))
    return _HASH_OF_NONE if value is None else hash(value)


def _hash_of_ratio(top, bottom):
    if bottom % _PRIME == 0:
        return _signed(_HASH_OF_INFINITY, top < 0)
    return _signed(abs(top) * pow(bottom, -1, _PRIME) % _PRIME, top < 0)


def _hash_of_decimal(value):
    # `int` refuses a text of more than 4,300 digits.
    _, digits, exponent = value.as_tuple()
    found = 0
    for digit in digits:
        found = (found * 10 + digit) % _PRIME
    return _signed(found * pow(10, exponent, _PRIME) % _PRIME, value < 0)


def _count(values):
    # `len` refuses more numbers than an index can count.
    return max(0, -((values.start - values.stop) // values.step))


def _in_64_bits(number):
    found = number & _MASK
    return -2 if found == _MASK else found - 2**64 if found > _MAXIMUM else found


def _signed(size, is_negative):
    # -1 means an error in C.
    return -2 if is_negative and size == 1 else -size if is_negative else size


def _hash_of_tuple(values):
    # This is the algorithm of CPython, which is a simple form of xxHash.
    found = 2870177450012600261
    for value in values:
        found = (found + (wide_hash(value) & _MASK) * 14029467366897019727) & _MASK
        found = ((found << 31 | found >> 33) & _MASK) * 11400714785074694791 & _MASK
    found = (found + (len(values) ^ 2870177450012600261 ^ 3527539)) & _MASK
    if found == _MASK:
        return 1546275796
    return found - 2**64 if found > _MAXIMUM else found


def wide_format(text):
    """Returns a format of `struct` with the sizes of a 64-bit machine."""
    text = text.decode("ascii") if isinstance(text, bytes) else text
    return text if text[:1] in ("=", "<", ">", "!") else text.translate(_WIDE_FORMATS)


class _View(ModuleType):
    """A module with other values of some names. All other names are those of the module itself."""

    def __init__(self, module, /, **names):
        super().__init__(module.__name__, module.__doc__)
        vars(self).update(names, _module=module)

    def __getattr__(self, name):
        return getattr(vars(self)["_module"], name)

    def __setattr__(self, name, value):
        setattr(vars(self)["_module"], name, value)
        if name in vars(self):
            vars(self)[name] = value

    def __delattr__(self, name):
        delattr(vars(self)["_module"], name)
        vars(self).pop(name, None)

    def __dir__(self):
        return dir(vars(self)["_module"])


def _with_wide_format(name):
    function = getattr(struct, name)

    def call(format, *arguments, **named):
        return function(wide_format(format), *arguments, **named)

    return call


_FUNCTIONS = ("calcsize", "iter_unpack", "pack", "pack_into", "Struct", "unpack", "unpack_from")
_VIEWS = {
    "sys": _View(sys, maxsize=_MAXIMUM),
    "struct": _View(struct, **{name: _with_wide_format(name) for name in _FUNCTIONS}),
}


def _import(name, globals=None, locals=None, fromlist=(), level=0):
    module = builtins.__import__(name, globals, locals, fromlist, level)
    if level:
        return module
    # Without a list of names, the first module of a dotted name is imported.
    name = name if fromlist else name.partition(".")[0]
    if name == "numpy" and name not in _VIEWS:
        # All of its names are copied, because scripts use them more often than those of other modules.
        _VIEWS[name] = _View(module, **vars(module) | {"intp": module.int64, "uintp": module.uint64})
    if name == "ctypes" and name not in _VIEWS:
        signed, unsigned = module.c_longlong, module.c_ulonglong
        _VIEWS[name] = _View(module, c_long=signed, c_ulong=unsigned, c_ssize_t=signed, c_size_t=unsigned)
    return _VIEWS.get(name, module)
