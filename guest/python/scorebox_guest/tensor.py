"""The element types of tensors, and named tensors.

Owns the conversion between bytes and views of elements. Must not know the model or a graph.
"""

from __future__ import annotations

import math
import struct
from array import array
from dataclasses import dataclass
from enum import Enum
from typing import Any, Iterable, List, Sequence, Union

from .errors import Failed


class Dtype(Enum):
    """An element type. The value is its name in safetensors, in lower case."""

    BOOL = "bool"
    U8 = "u8"
    I8 = "i8"
    U16 = "u16"
    I16 = "i16"
    F16 = "f16"
    BF16 = "bf16"
    U32 = "u32"
    I32 = "i32"
    F32 = "f32"
    U64 = "u64"
    I64 = "i64"
    F64 = "f64"

    @property
    def size(self) -> int:
        """Size of an element, in bytes."""
        return _SIZES[self]


# The letters of elements in `array`, `memoryview` and `struct`. bfloat16 has no letter.
_LETTERS = {
    Dtype.BOOL: "?",
    Dtype.U8: "B",
    Dtype.I8: "b",
    Dtype.U16: "H",
    Dtype.I16: "h",
    Dtype.F16: "e",
    Dtype.U32: "I",
    Dtype.I32: "i",
    Dtype.F32: "f",
    Dtype.U64: "Q",
    Dtype.I64: "q",
    Dtype.F64: "d",
}
_SIZES = {dtype: struct.calcsize(letter) for dtype, letter in _LETTERS.items()}
_SIZES[Dtype.BF16] = 2

Values = Union[memoryview, Sequence[Any]]


def view(dtype: Dtype, data: Union[bytes, memoryview]) -> Values:
    """Returns the elements that little-endian bytes hold, without a copy if Python has their type.

    The result has ``len``, indices and slices. Elements of ``f16`` and ``bf16`` are copied into an
    array of ``f32``.
    """
    if dtype is Dtype.BF16:
        # A bfloat16 is the upper half of a float32.
        wide = bytearray(2 * len(data))
        wide[2::4], wide[3::4] = bytes(data)[0::2], bytes(data)[1::2]
        return array("f", bytes(wide))
    if dtype is Dtype.F16:
        return array("f", struct.unpack(f"<{len(data) // 2}e", data))
    return memoryview(data).cast("B").cast(_LETTERS[dtype])


def packed(dtype: Dtype, values: Iterable[Any]) -> bytes:
    """Returns elements of the type ``dtype`` as little-endian bytes.

    Raises ``Failed`` if an element does not fit the type.
    """
    if isinstance(values, (array, memoryview)) and dtype in _LETTERS:
        form = values.typecode if isinstance(values, array) else values.format
        # `l` and `L` have eight bytes here and four in a component, so their letters say nothing.
        if form == _LETTERS[dtype]:
            return values.tobytes()
    values = list(values)
    try:
        if dtype is Dtype.BF16:
            return b"".join(_bfloat16(float(value)) for value in values)
        return struct.pack(f"<{len(values)}{_LETTERS[dtype]}", *values)
    except (struct.error, TypeError, ValueError, OverflowError) as error:
        raise Failed(
            "output-type", "the scorer gave a value that does not fit its type", f"{dtype.value}: {error}"
        ) from error


def _bfloat16(value: float) -> bytes:
    bits = struct.unpack("<I", struct.pack("<f", value))[0]
    if value == value:
        bits += 0x7FFF + (bits >> 16 & 1)
    return struct.pack("<H", bits >> 16 & 0xFFFF)


@dataclass
class NamedTensor:
    """A dense tensor with the name of its port. ``data`` has the elements as little-endian bytes."""

    name: str
    dtype: Dtype
    shape: List[int]
    data: bytes

    @staticmethod
    def of(name: str, values: Iterable[Any], shape: Sequence[int], dtype: Dtype = Dtype.F32) -> NamedTensor:
        """Returns a tensor of elements in row-major order.

        Raises ``Failed`` if the elements do not fit the type, or are not as many as the shape says.
        """
        data = packed(dtype, values)
        if len(data) != math.prod(shape) * dtype.size:
            raise Failed(
                "output-shape",
                "the scorer gave a tensor with a wrong number of elements",
                f"`{name}` has {len(data) // dtype.size} elements and the shape {list(shape)}",
            )
        return NamedTensor(name, dtype, list(shape), data)

    def values(self) -> Values:
        """Returns the elements in row-major order, without a copy if Python has their type."""
        return view(self.dtype, self.data)

    def rows(self) -> List[Values]:
        """Returns the elements as one view for each row of axis 0."""
        values = self.values()
        width = math.prod(self.shape[1:])
        return [values[row * width : (row + 1) * width] for row in range(self.shape[0] if self.shape else 0)]
