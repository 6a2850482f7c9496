"""Makes the files beside it, with numpy 2.3.5: `python3 make.py`. The bytes are the same each time."""

import json
import pathlib

import numpy as np

HERE = pathlib.Path(__file__).parent


def array(dtype):
    """Six elements of a type, its extremes among them."""
    kind = np.dtype(dtype)
    if kind.kind == "b":
        return np.array([[0, 1, 1], [0, 0, 1]], kind)
    if kind.kind in "iu":
        limits = np.iinfo(kind)
        return np.array([[0, 1, 2], [limits.max - 1, limits.min, limits.max]], kind)
    limits = np.finfo(kind)
    return np.array([[0.1, -0.0, limits.max], [limits.smallest_subnormal, -np.inf, 2.5]], kind)


arrays = {}
for dtype in ["?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8"]:
    for order in "<>" if np.dtype(dtype).itemsize > 1 else "<":
        name = np.dtype(dtype).name
        endian = "little" if order == "<" else "big"
        plain = array(dtype).astype(np.dtype(dtype).newbyteorder(order))
        arrays[f"{endian}/{name}/c"] = plain
        arrays[f"{endian}/{name}/fortran"] = np.asfortranarray(plain)
arrays["scalar"] = np.float64(2.5)
arrays["empty"] = np.zeros((0, 3), "f4")
arrays["hollow"] = np.zeros((2, 0), ">i8", order="F")
arrays["cube"] = np.asfortranarray(np.arange(24, dtype="i4").reshape(2, 3, 4))
arrays["row"] = np.arange(5, dtype=">f4")

np.savez(HERE / "stored.npz", **arrays)
np.savez_compressed(HERE / "deflated.npz", **arrays)
expected = {}
for name, values in arrays.items():
    values = np.asarray(values)
    little = np.asarray(values, values.dtype.newbyteorder("<"), order="C")
    expected[name] = {"dtype": values.dtype.name, "shape": values.shape, "bytes": little.tobytes("C").hex()}
(HERE / "expected.json").write_text(json.dumps(expected, indent=1, sort_keys=True) + "\n")

coefficients = (np.arange(6).reshape(2, 3) / 4).astype(">f8", order="F")
for version in [(1, 0), (2, 0), (3, 0)]:
    with open(HERE / f"version-{version[0]}.npy", "wb") as file:
        np.lib.format.write_array(file, coefficients, version)

refused = {
    "objects": np.array([1, "a"], object),
    "texts": np.array(["a", "bc"]),
    "bytes": np.array([b"a", b"bc"]),
    "complex": np.array([1 + 2j]),
    "records": np.array([(1, 2.0)], [("a", "i4"), ("b", "f8")]),
    "dates": np.array(["2020-01-01"], "M8[D]"),
    "spans": np.array([3], "m8[s]"),
    "long-doubles": np.zeros(1, np.longdouble),
    "void": np.zeros(2, "V3"),
}
for name, values in refused.items():
    np.save(HERE / f"refused-{name}.npy", values, allow_pickle=True)
np.savez(HERE / "refused-objects.npz", coef=np.zeros(2), classes=refused["objects"])
