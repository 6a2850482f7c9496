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

# Versions of Python's series 3 that have wheels of a series of scikit-learn.
_PYTHONS = {
    (1, 0): (7, 10),
    (1, 1): (8, 11),
    (1, 2): (8, 11),
    (1, 3): (8, 12),
    (1, 4): (9, 12),
    (1, 5): (9, 13),
    (1, 6): (9, 13),
    (1, 7): (10, 14),
}
# The last series whose wheels need NumPy 1.
_NUMPY_1 = (1, 3)
# Beside these, the newest of everything is right for any Python that the pinned versions are for.
_BESIDE = ("skl2onnx", "onnx", "onnxruntime", "protobuf")


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
    """The commands that make an environment: the distributions with their versions, or None for any version."""
    series = tuple(int(part) for part in (wanted.get("scikit-learn") or "99.0").split(".")[:2])
    here = sys.version_info[1]
    low, high = _PYTHONS.get(series, (here, here) if series >= (1, 0) else (7, 9))
    ours = low <= here <= high
    python = "python3" if ours else f"python3.{min(max(here, low), high)}"
    wanted = dict(wanted)
    # Pinned ones are not for every Python; pip then finds what fits.
    wanted |= {name: of(name) if ours else None for name in _BESIDE}
    if "lightgbm" in wanted or "xgboost" in wanted:
        wanted["onnxmltools"] = of("onnxmltools") if ours else None
    wanted.setdefault("pandas", None)
    if series <= _NUMPY_1:
        wanted["numpy"] = "1.*"
    exact = [f"{name}=={version}" if version else name for name, version in wanted.items()]
    return f"{python} -m venv ENV && ENV/bin/pip install {' '.join(exact)}"
