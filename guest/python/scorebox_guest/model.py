"""The model that ships with the scorer: its tensors and its files.

Owns reads of any size, in pieces where the host limits one read. Must not know how the host keeps
the weights.
"""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass
from typing import Dict, List, Optional, Sequence

from . import errors
from ._host import Err, interface
from .tensor import Dtype, Values, view

# The host returns 64 MiB at most. Smaller pieces keep the memory of an instance low.
_PIECE_BYTES = 16 << 20


@dataclass
class ModelInfo:
    """Facts about the model."""

    name: str
    version: str
    digest: str
    labels: Dict[str, str]


@dataclass
class TensorInfo:
    """The description of a tensor."""

    name: str
    dtype: Dtype
    shape: List[int]


def info() -> ModelInfo:
    """Returns facts about the model."""
    found = interface("model").info()
    return ModelInfo(found.name, found.version, found.digest, dict(found.labels))


def tensors() -> List[TensorInfo]:
    """Returns the descriptions of all tensors in safetensors files, in the order of their names."""
    return [_info(one) for one in interface("model").tensors()]


def files() -> List[str]:
    """Returns the names of the model's files. ``/`` separates folders."""
    return list(interface("model").files())


def read_file(name: str, start: int = 0, count: Optional[int] = None) -> bytes:
    """Returns ``count`` bytes of a file from the byte ``start``, or fewer if the file ends before.

    ``None`` means the rest of the file. Raises ``Failed`` if the bytes cannot be read, e.g. because
    the model has no such file.
    """
    pieces = []
    while count is None or count > 0:
        want = _PIECE_BYTES if count is None else min(count, _PIECE_BYTES)
        try:
            piece = interface("model").read_file(name, start, want)
        except Err as error:
            raise errors.of_model(error.value) from error
        pieces.append(piece)
        start += len(piece)
        count = None if count is None else count - len(piece)
        if len(piece) < want:
            break
    return b"".join(pieces)


class Tensor:
    """A tensor of the model, which the host holds. Only the parts that are read are copied."""

    def __init__(self, name: str) -> None:
        """Finds the tensor ``name``. Raises ``Failed`` if the model has none of this name."""
        with _opened(name) as handle:
            found = _info(handle.info())
        self.name, self.dtype, self.shape = found.name, found.dtype, found.shape

    def __len__(self) -> int:
        """Returns the number of elements."""
        return math.prod(self.shape)

    def values(self, start: int = 0, count: Optional[int] = None) -> Values:
        """Returns elements of the tensor's own type. Elements of f16 and bf16 become ``f32``.

        ``start`` is a flat, row-major index. ``count`` is the number of elements. ``None`` means
        all that follow. Raises ``Failed`` if the range is not within the tensor.
        """
        data = bytearray()
        size = self.dtype.size
        for at, some in self._pieces(start, count, size):
            data += self._read("bytes", at, some)
        return view(self.dtype, memoryview(data))

    def floats(self, start: int = 0, count: Optional[int] = None) -> array:
        """Returns elements as an array of ``f32``, with the arguments of ``values``.

        Raises ``Failed`` if the range is not within the tensor, or if the tensor does not have a
        floating-point type.
        """
        if self.dtype is Dtype.F32:
            found = array("f")
            found.frombytes(self.values(start, count).cast("B"))
            return found
        found = array("f")
        for at, some in self._pieces(start, count, 4):
            found.extend(self._read("floats", at, some))
        return found

    def rows(self, indices: Sequence[int]) -> array:
        """Returns the rows of axis 0 with these indices, one after the other, as ``f32``.

        Raises ``Failed`` if the rows cannot be read, e.g. because an index is not within axis 0, or
        because the tensor does not have a floating-point type.
        """
        with _opened(self.name) as handle:
            try:
                return array("f", handle.rows(list(indices)))
            except Err as error:
                raise errors.of_model(error.value) from error

    def _pieces(self, start: int, count: Optional[int], size: int):
        end = len(self) if count is None else start + count
        step = _PIECE_BYTES // size
        # The host refuses a range that is not within the tensor, so it is requested, too.
        for at in range(start, max(end, start + 1), step):
            yield at, min(step, end - at)

    def _read(self, method: str, start: int, count: int):
        if start < 0 or count < 0:
            raise errors.of_model(_OutOfRange())
        with _opened(self.name) as handle:
            try:
                return getattr(handle, method)(start, count)
            except Err as error:
                raise errors.of_model(error.value) from error


class _OutOfRange:
    pass


_OutOfRange.__name__ = "Error_OutOfRange"


def _opened(name: str):
    # Handles are closed at once: a snapshot of the scorer cannot keep one.
    try:
        return interface("model").Tensor.open(name)
    except Err as error:
        raise errors.of_model(error.value) from error


def _info(found) -> TensorInfo:
    return TensorInfo(found.name, Dtype(found.dtype.name.lower()), list(found.shape))
