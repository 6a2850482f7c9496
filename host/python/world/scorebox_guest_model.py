"""The model that ships with the script: its files, and the tensors of its safetensors files.

Owns the reading of safetensors. Must not know what a script does with the weights.
"""

import json
import os
from dataclasses import dataclass

import scorebox_door
from scorebox_guest_errors import Failed

_DTYPES = {
    "BOOL": "?",
    "U8": "u1",
    "I8": "i1",
    "U16": "<u2",
    "I16": "<i2",
    "F16": "<f2",
    "U32": "<u4",
    "I32": "<i4",
    "F32": "<f4",
    "U64": "<u8",
    "I64": "<i8",
    "F64": "<f8",
}

_LONGEST_HEADER = 100 << 20


@dataclass
class ModelInfo:
    """Facts about the model."""

    name: str
    version: str
    digest: str
    labels: dict


@dataclass
class TensorInfo:
    """The description of a tensor."""

    name: str
    dtype: str
    shape: list


def info():
    """Returns facts about the loaded model."""
    found = scorebox_door.model_info()
    return ModelInfo(
        *(found.get(key, "") for key in ("name", "version", "digest")), dict(found.get("labels") or {})
    )


def files():
    """Returns the names of the model's files. `/` separates folders."""
    root = _root()
    found = (os.path.join(folder, name) for folder, _, names in os.walk(root) for name in names)
    return sorted(os.path.relpath(path, root).replace(os.sep, "/") for path in found)


def read_file(name, start=0, count=None):
    """Returns `count` bytes of a file from the byte `start`. `None` means all bytes.

    Raises `Failed` if the model has no such file.
    """
    try:
        with open(os.path.join(_root(), name), "rb") as file:
            file.seek(start)
            return file.read(-1 if count is None else count)
    except OSError:
        raise _failed(f"the model has no file `{name}`") from None


def tensors():
    """Returns the descriptions of all tensors, in the order of their names."""
    return sorted((place.info for place in _places().values()), key=lambda one: one.name)


class Tensor:
    """A tensor of the model. Its elements are read when they are asked for."""

    def __init__(self, name):
        """Finds the tensor `name`. Raises `Failed` if the model has none of this name."""
        place = _places().get(name)
        if place is None:
            raise _failed(f"the model has no tensor `{name}`")
        self._place = place
        self.name, self.dtype, self.shape = place.info.name, place.info.dtype, place.info.shape

    def __len__(self):
        """Returns the number of elements."""
        return self._place.size // self._place.dtype().itemsize

    def array(self):
        """Returns the tensor as an array of its own type and shape."""
        return self.values().reshape(self.shape)

    def values(self, start=0, count=None):
        """Returns elements of the tensor's own type. `start` is a flat, row-major index."""
        import numpy as np

        dtype = self._place.dtype()
        count = len(self) - start if count is None else count
        if start < 0 or count < 0 or start + count > len(self):
            raise _failed("a range does not lie within its tensor or file")
        data = read_file(self._place.file, self._place.start + start * dtype.itemsize, count * dtype.itemsize)
        if self.dtype == "bf16":
            # A bfloat16 is the upper half of a float32.
            return (np.frombuffer(data, dtype).astype(np.uint32) << 16).view(np.float32)
        return np.frombuffer(data, dtype)

    def floats(self, start=0, count=None):
        """Returns elements as 32-bit floats."""
        import numpy as np

        return self.values(start, count).astype(np.float32)

    def rows(self, indices):
        """Returns the rows of axis 0 with these indices as 32-bit floats."""
        import numpy as np

        return self.array()[list(indices)].astype(np.float32)


@dataclass
class _Place:
    info: TensorInfo
    file: str
    start: int
    size: int

    def dtype(self):
        import numpy as np

        name = self.info.dtype.upper()
        if name == "BF16":
            return np.dtype("<u2")
        if name not in _DTYPES:
            raise _failed(f"a tensor of {self.info.dtype} has no type in numpy")
        return np.dtype(_DTYPES[name])


def _places():
    found = {}
    for file in files():
        if not file.endswith(".safetensors"):
            continue
        size = int.from_bytes(read_file(file, 0, 8), "little")
        if size > _LONGEST_HEADER:
            raise _failed(f"`{file}` is not a safetensors file")
        for name, about in json.loads(read_file(file, 8, size)).items():
            if name != "__metadata__":
                begin, end = about["data_offsets"]
                described = TensorInfo(name, about["dtype"].lower(), about["shape"])
                found[name] = _Place(described, file, 8 + size + begin, end - begin)
    return found


def _root():
    return os.environ["AZUREML_MODEL_DIR"]


def _failed(detail):
    return Failed("model", "the script could not read its model", detail)
