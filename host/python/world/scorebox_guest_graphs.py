"""The graphs of the model: ONNX files that the host runs.

Owns the conversion between arrays and the tensors of a message. Must not know the inference
engine.
"""

import math

import scorebox_door
from scorebox_guest_errors import Failed

_NAMES = {
    "?": "bool",
    "u1": "u8",
    "i1": "i8",
    "u2": "u16",
    "i2": "i16",
    "f2": "f16",
    "u4": "u32",
    "i4": "i32",
    "f4": "f32",
    "u8": "u64",
    "i8": "i64",
    "f8": "f64",
}
_LETTERS = {name: letters for letters, name in _NAMES.items()}


def run(graph, inputs):
    """Runs a graph on one array for each of its inputs. Returns its outputs, by name.

    `graph` is the path of the file in the model, without `.onnx`. `inputs` is a dict of arrays by
    the names of the inputs. Raises `Failed` if the model does not have the graph, or if the run
    fails.
    """
    import numpy as np

    described, data = [], []
    for name, values in inputs.items():
        array = np.ascontiguousarray(values)
        described.append({"name": name, "dtype": _name(name, array.dtype), "shape": list(np.shape(values))})
        data.append(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())
    try:
        head, answer = scorebox_door.graph({"graph": graph, "inputs": described}, data)
    except scorebox_door.GraphError as error:
        raise Failed("graph", "the script could not run a graph", str(error)) from None
    outputs, start = {}, 0
    for one in head["outputs"]:
        dtype = np.dtype(_LETTERS[one["dtype"]]).newbyteorder("<")
        count = math.prod(one["shape"])
        outputs[one["name"]] = np.frombuffer(answer, dtype, count, start).reshape(one["shape"])
        start += count * dtype.itemsize
    return outputs


def output(outputs, name):
    """Returns the output `name` of a run. Raises `Failed` if the graph does not have it."""
    if name not in outputs:
        raise Failed("no-such-output", "the script reads an output that its graph does not have", name)
    return outputs[name]


def _name(port, dtype):
    letters = "?" if dtype.kind == "b" else f"{dtype.kind}{dtype.itemsize}"
    if letters not in _NAMES:
        raise Failed("graph", "the script could not run a graph", f"the input `{port}` has the type {dtype}")
    return _NAMES[letters]
