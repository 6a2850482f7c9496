"""Versions of Python and of the libraries.

Owns the list of libraries that are named, and the commands that create an environment with other
versions. Must not know what the libraries are used for.
"""

import importlib.metadata
import platform
import sys

# Names of distributions, by the module that they contain.
_ALWAYS = {"sklearn": ["scikit-learn"], "skl2onnx": ["skl2onnx"], "onnx": ["onnx"], "numpy": ["numpy"]}
_ALWAYS |= {"scipy": ["scipy"], "onnxruntime": ["onnxruntime"]}
_IF_LOADED = {"xgboost": ["xgboost-cpu", "xgboost"], "lightgbm": ["lightgbm"], "onnxmltools": ["onnxmltools"]}
_IF_LOADED |= {"pandas": ["pandas"]}

# First and last minor version of Python 3 with wheels for each series of scikit-learn. The
# converters need Python 3.10, so older series have no environment.
_PYTHONS = {
    (1, 0): (10, 10),
    (1, 1): (10, 11),
    (1, 2): (10, 11),
    (1, 3): (10, 12),
    (1, 4): (10, 12),
    (1, 5): (10, 13),
    (1, 6): (10, 13),
    (1, 7): (10, 14),
}
_OLDEST = min(_PYTHONS)
# Last series of scikit-learn whose wheels need NumPy 1.
_NUMPY_1 = (1, 3)
# Oldest minor version of Python 3 for which the versions of this environment are made.
_PINNED = 11
_BESIDE = ("skl2onnx", "onnx", "onnxruntime", "protobuf")
# Versions that work with the series that the pinned converter does not support.
_BEFORE = {"skl2onnx": None, "onnx": "1.15.*", "onnxruntime": None, "protobuf": "4.*"}


def used():
    """Returns the versions of Python and of the used libraries, by name."""
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
    """Returns the installed version of a distribution, or None if it is not installed."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def environment(wanted):
    """Returns the commands that create an environment. `wanted` has the version of each
    distribution, or None for any version.

    Returns None if the version of scikit-learn is too old for the converters.
    """
    wanted = dict(wanted)
    series = tuple(int(part) for part in wanted["scikit-learn"].split(".")[:2])
    if series < _OLDEST:
        return None
    here = sys.version_info[1]
    low, high = _PYTHONS.get(series, (here, here))
    minor = min(max(here, low), high)
    beside = {name: of(name) for name in _BESIDE} if minor >= _PINNED and series > _OLDEST else dict(_BEFORE)
    if "lightgbm" in wanted or "xgboost" in wanted:
        beside["onnxmltools"] = of("onnxmltools") if minor >= _PINNED else None
    wanted |= beside
    wanted.setdefault("pandas", None)
    if series <= _NUMPY_1:
        wanted["numpy"] = "1.*"
    exact = [f"{name}=={version}" if version else name for name, version in wanted.items()]
    python = "python3" if minor == here else f"python3.{minor}"
    return f"{python} -m venv ENV && ENV/bin/pip install {' '.join(exact)}"
