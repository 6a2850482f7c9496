"""The names that a pickle imports, read without loading it.

Owns the reader, which builds nothing of the file and runs nothing of it, and the distributions that bring a module.
Must not know why anybody asks.
"""

import importlib.metadata
import inspect
import io
import re
import sys

import boosters
import forms

# Where the distribution has another name than its module.
_DISTRIBUTIONS = {
    "sklearn": "scikit-learn",
    "imblearn": "imbalanced-learn",
    "category_encoders": "category-encoders",
    "feature_engine": "feature-engine",
    "skopt": "scikit-optimize",
    "sklego": "scikit-lego",
    "sklearn_pandas": "sklearn-pandas",
}
# Known to be names of distributions too. No other name is told to pip: anyone may have taken it.
_SAME = ("lightgbm", "xgboost", "catboost", "numpy", "scipy", "pandas", "joblib", "cloudpickle", "dill", "mapie")
_SKLEARN_VERSION = re.compile(rb"_sklearn_version[^0-9]{1,8}([0-9]+\.[0-9]+\.[0-9]+)")


def of(path):
    """The top modules that a pickle names, without Python's own, in the order of the alphabet."""
    data = forms.read(path)
    found = _named(data)
    return sorted(
        {name.split(".")[0] for name in found} - set(sys.stdlib_module_names) - {"__main__", "__builtin__", "copy_reg"}
    )


def sklearn_version(path):
    """The version of scikit-learn that a pickle names; None if it names none."""
    found = _SKLEARN_VERSION.search(forms.read(path))
    return found and found.group(1).decode()


def xgboost_version(path):
    """The version of XGBoost whose bytes are in a pickle; None if there are none."""
    return boosters.xgboost_version(forms.read(path))


def distribution(module):
    """The name by which pip knows a module; None if it is not known to be one of pip's."""
    if module in _DISTRIBUTIONS or module in _SAME:
        return _DISTRIBUTIONS.get(module, module)
    return next(iter(importlib.metadata.packages_distributions().get(module, ())), None)


class _Nothing:
    """Stands for whatever a pickle makes, and takes whatever is done to it."""

    def __new__(cls, *_, **__):
        return super().__new__(cls)

    def __init__(self, *_, **__):
        pass

    def __call__(self, *_, **__):
        return _Nothing()

    def __setstate__(self, _):
        pass

    def __setitem__(self, *_):
        pass

    def __hash__(self):
        return 0

    def append(self, _):
        pass

    def extend(self, _):
        pass

    def update(self, *_):
        pass

    add = append


def _named(data):
    """The modules of all names in the stream, as far as it can be read."""
    import numpy as np
    from joblib import numpy_pickle

    found = set()

    class Array(numpy_pickle.NumpyArrayWrapper):
        def read_array(self, unpickler, *more):
            if not self.dtype.hasobject:
                return super().read_array(unpickler, *more)
            # joblib would load these objects, which are a pickle of their own.
            return Reader("model", unpickler.file_handle, **order).load()

    # Of joblib's arrays, whose bytes stand between the opcodes: without them the rest cannot be read.
    arrays = {("joblib.numpy_pickle", "NumpyArrayWrapper"): Array, ("numpy", "ndarray"): np.ndarray}
    arrays["numpy", "dtype"] = np.dtype

    class Reader(numpy_pickle.NumpyUnpickler):
        def find_class(self, module, name):
            found.add(module)
            return arrays.get((module, name), _Nothing)

        def persistent_load(self, _):
            return _Nothing()

        def get_extension(self, _):
            self.append(_Nothing())

    # What the arguments are called differs between versions of joblib.
    takes = inspect.signature(numpy_pickle.NumpyUnpickler.__init__).parameters
    order = {"ensure_native_byte_order": False} if "ensure_native_byte_order" in takes else {}
    try:
        Reader("model", io.BytesIO(data), **order).load()
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - a file that cannot be read to its end has named what comes before.
        found |= _seen(data)
    return found


def _seen(data):
    """Names in a stream that cannot be read to its end, by their look."""
    known = set(_DISTRIBUTIONS) | set(_SAME)
    return {name for name in known if re.search(rb"\b%s[.\n]" % name.encode(), data)}
