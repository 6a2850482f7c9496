"""Evaluates the expressions of integer_expressions.txt and prints one JSON line each. Must run on any CPython with numpy.

The text of this file is run natively and in the sandbox, see compare_integers.py. `EXPRESSIONS` may be set before it.
"""

import base64
import datetime
import io
import json
import math
import pickle
import sys
import warnings

warnings.simplefilter("ignore")

import numpy as np
import pandas as pd
import scipy.io
import scipy.linalg
import scipy.ndimage
import scipy.optimize
import scipy.signal
import scipy.sparse as sp
import scipy.spatial
import scipy.special
import scipy.stats
import sklearn.base
import sklearn.metrics
import sklearn.preprocessing
import sklearn.utils
from sklearn.utils.discovery import all_estimators

# Pickles and a .npy file of 64-bit CPython, made by `python -c` with protocol 4.
PICKLED_INT64, PICKLED_INT32, PICKLED_SERIES, PICKLED_SCALAR, NPY_INT64 = (
    base64.b64decode(text) for text in PICKLES
)

ESTIMATORS = dict(all_estimators())


def sk(name, **settings):
    """Returns an estimator of scikit-learn by its name."""
    return ESTIMATORS[name](**settings)


def names():
    """Names that the expressions use, new for each expression."""
    x = np.array([0.3, 0.1, 0.9, 0.5, 0.7, 0.2])
    df = pd.DataFrame({"g": ["a", "b", "a"], "u": [1, 2, 3], "v": [3, 1, 2], "k": [1, 2, 3]})
    space = dict(globals())
    space.update(
        x=x,
        i=np.argsort(x),
        a=np.array([1, 2, 3]),
        s=pd.Series([1, 2, 3]),
        df=df,
        X2=np.random.RandomState(3).rand(12, 2),
        y2=np.array([0, 1, 1] * 4),
    )

    def do(statements, result):
        exec(statements, space)
        return space[result]

    space["do"] = do
    return space


def plain(value):
    """Returns the value as JSON, and the names of its types."""
    if sp.issparse(value):
        return ["sparse", plain(value.toarray())]
    if isinstance(value, pd.DataFrame):
        return ["frame", [plain(value[column]) for column in value], plain(value.index)]
    if isinstance(value, (pd.Series, pd.Index)):
        return ["series", plain(np.asarray(value.astype(object)))[1]]
    if isinstance(value, np.ndarray):
        return ["array", [plain(part) for part in value.ravel().tolist()], list(value.shape)]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    if isinstance(value, float):
        return "nan" if math.isnan(value) else repr(value) if math.isinf(value) else ["float", value]
    if isinstance(value, (int, bool, str, type(None))):
        return value
    return [type(value).__name__, str(value)]


def kind(value):
    """Returns the name of the value's dtype, which may differ without harm."""
    if isinstance(value, pd.DataFrame):
        return str([str(dtype) for dtype in value.dtypes])
    return str(getattr(value, "dtype", type(value).__name__))


def main():
    for text in EXPRESSIONS:
        try:
            value = eval(text, names())
            answer = {"value": plain(value), "kind": kind(value)}
        except Exception as error:
            answer = {"error": type(error).__name__ + ": " + str(error)[:300]}
        print(json.dumps([text, answer]), flush=True)


main()
