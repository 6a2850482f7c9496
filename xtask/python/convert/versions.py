"""The versions of what takes part.

Owns which libraries are named, and how an environment with other versions is made. Must not know what they are for.
"""

import importlib.metadata
import platform
import sys

# Names of distributions, by the module that they bring.
_ALWAYS = {"sklearn": ["scikit-learn"], "skl2onnx": ["skl2onnx"], "onnx": ["onnx"], "numpy": ["numpy"]}
_ALWAYS |= {"scipy": ["scipy"], "onnxruntime": ["onnxruntime"]}
_IF_LOADED = {"xgboost": ["xgboost-cpu", "xgboost"], "lightgbm": ["lightgbm"], "onnxmltools": ["onnxmltools"]}
_IF_LOADED |= {"pandas": ["pandas"]}

# Versions of Python's series 3 that have wheels of a series of scikit-learn. What converts needs 3.10, so there is no
# environment for an older series.
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
# The last series whose wheels need NumPy 1.
_NUMPY_1 = (1, 3)
# The oldest Python that the versions of this environment are for.
_PINNED = 11
_BESIDE = ("skl2onnx", "onnx", "onnxruntime", "protobuf")
# What worked together for the series that the pinned converter does not know.
_BEFORE = {"skl2onnx": None, "onnx": "1.15.*", "onnxruntime": None, "protobuf": "4.*"}


def used():
    """Versions of Python and of the libraries, by their names."""
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


def environment(wanted):
    """The commands that make an environment: the distributions with their versions, or None for any version.

    Returns None if no environment for a version of scikit-learn as old as this one can convert.
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
