"""The names that a pickle imports, read without loading the pickle.

Owns the reader, which creates no objects of the file and runs no code of it. Also owns the mapping
from a module to the distribution that contains it. Must not know what the names are used for.
"""

import importlib.metadata
import inspect
import io
import re
import sys

import boosters
import forms

# Names of distributions that differ from the names of their modules, by module.
_DISTRIBUTIONS = {
    "sklearn": "scikit-learn",
    "imblearn": "imbalanced-learn",
    "category_encoders": "category-encoders",
    "feature_engine": "feature-engine",
    "skopt": "scikit-optimize",
    "sklego": "scikit-lego",
    "sklearn_pandas": "sklearn-pandas",
}
# Modules whose distributions have equal names. No other name is suggested for pip, because anyone
# may have registered it.
_SAME = ("lightgbm", "xgboost", "catboost", "numpy", "scipy", "pandas", "joblib", "cloudpickle", "dill", "mapie")
_SKLEARN_VERSION = re.compile(rb"_sklearn_version[^0-9]{1,8}([0-9]+\.[0-9]+\.[0-9]+)")


def of(path):
    """Returns the top-level modules that a pickle names, sorted, without Python's own modules."""
    data = forms.read(path)
    found = _named(data)
    return sorted(
        {name.split(".")[0] for name in found} - set(sys.stdlib_module_names) - {"__main__", "__builtin__", "copy_reg"}
    )


def sklearn_version(path):
    """Returns the version of scikit-learn that a pickle states, or None if it states none."""
    found = _SKLEARN_VERSION.search(forms.read(path))
    return found and found.group(1).decode()


def xgboost_version(path):
    """Returns the version of XGBoost in a pickle, or None if the pickle does not contain an XGBoost
    model.
    """
    return boosters.xgboost_version(forms.read(path))


def distribution(module):
    """Returns the name of the distribution that contains a module, or None if it is not known."""
    if module in _DISTRIBUTIONS or module in _SAME:
        return _DISTRIBUTIONS.get(module, module)
    return next(iter(importlib.metadata.packages_distributions().get(module, ())), None)


class _Nothing:
    """Stand-in for every object that a pickle creates. It accepts every operation and does nothing.
    """

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
    """Returns the modules of all names in a pickle, as far as it can be read."""
    import numpy as np
    from joblib import numpy_pickle

    found = set()

    class Array(numpy_pickle.NumpyArrayWrapper):
        def read_array(self, unpickler, *more):
            if not self.dtype.hasobject:
                return super().read_array(unpickler, *more)
            # joblib would load these objects, because they are a nested pickle.
            return Reader("model", unpickler.file_handle, **order).load()

    # The bytes of joblib's arrays are between the opcodes, so the arrays must be read to read the
    # rest.
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

    # The names of the arguments differ between versions of joblib.
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
    """Returns the known modules whose names occur in a pickle that cannot be read to its end."""
    known = set(_DISTRIBUTIONS) | set(_SAME)
    return {name for name in known if re.search(rb"\b%s[.\n]" % name.encode(), data)}
