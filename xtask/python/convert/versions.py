"""The versions of what takes part.

Owns which libraries are named. Must not know what they are for.
"""

import importlib.metadata
import platform

# Names of distributions, by the module that they bring.
_ALWAYS = {"sklearn": ["scikit-learn"], "skl2onnx": ["skl2onnx"], "onnx": ["onnx"], "numpy": ["numpy"]}
_ALWAYS |= {"scipy": ["scipy"], "onnxruntime": ["onnxruntime"]}
_IF_LOADED = {"xgboost": ["xgboost-cpu", "xgboost"], "lightgbm": ["lightgbm"], "onnxmltools": ["onnxmltools"]}
_IF_LOADED |= {"pandas": ["pandas"]}


def used():
    """Versions of Python and of the libraries, by their names."""
    import sys

    found = {"python": platform.python_version()}
    for module, names in (_ALWAYS | _IF_LOADED).items():
        if module in _ALWAYS or module in sys.modules:
            for name in names:
                version = of(name)
                if version:
                    found[name] = version
                    break
    return found


def of(distribution):
    """The version of one distribution, or None."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
