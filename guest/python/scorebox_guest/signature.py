"""The contract of a scorer with its callers.

Owns signatures, ports and examples. Must not know how the host checks them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, List, Optional, Sequence, Union

from .payload import JSON, Payload
from .tensor import Dtype


@dataclass
class Example:
    """An example of an input or an answer, with a name in kebab-case."""

    name: str
    value: Payload


@dataclass
class Shape:
    """One direction of the contract: the input or the output."""

    content_types: List[str] = field(default_factory=list)
    json_schema: Optional[str] = None
    examples: List[Example] = field(default_factory=list)


@dataclass
class Signature:
    """The contract of a scorer of payloads. An empty list of media types means any."""

    input: Shape = field(default_factory=Shape)
    output: Shape = field(default_factory=Shape)
    deterministic: bool = False

    @staticmethod
    def json(
        schema: Any = None,
        example: Any = None,
        output_schema: Any = None,
        output_example: Any = None,
        deterministic: bool = False,
    ) -> Signature:
        """Returns the signature of a scorer that takes and returns JSON.

        ``schema`` and ``output_schema`` are JSON Schemas (2020-12), as a dict or as a text. The
        host answers 400 to input that does not conform, and does not check output. ``example`` is
        an input that ``run`` answers. ``deterministic`` is true if equal inputs always give equal
        answers, whatever the facts about the call are.
        """
        return Signature(
            _json_shape(schema, example), _json_shape(output_schema, output_example), deterministic
        )


def _json_shape(schema: Any, example: Any) -> Shape:
    text = schema if schema is None or isinstance(schema, str) else json.dumps(schema)
    examples = [] if example is None else [Example("one", Payload.json(example))]
    return Shape([JSON], text, examples)


@dataclass
class Port:
    """A named output of a tensor scorer. ``None`` in the shape is a dimension of any size."""

    name: str
    dtype: Dtype
    shape: Sequence[Optional[int]]


@dataclass
class InputPort(Port):
    """A named input of a tensor scorer.

    ``missing`` is true if callers may send ``null`` for a number, which arrives as NaN. ``boolean``
    is true if they may send ``true`` and ``false`` for 1 and 0. ``columns`` has the names of the
    columns of a port with two dimensions.
    """

    missing: bool = False
    boolean: bool = False
    columns: Sequence[str] = ()


@dataclass
class TensorSignature:
    """The contract of a tensor scorer.

    ``batchable`` is true if axis 0 of every port is a batch of independent rows. The first
    dimension of every port must then be ``None``. ``deterministic`` is true if equal tensors always
    give equal answers. ``example`` is what a caller posts as JSON, such as ``{"x": [[1, 2]]}``.
    """

    inputs: Sequence[Union[Port, InputPort]]
    outputs: Sequence[Port]
    batchable: bool = False
    deterministic: bool = False
    example: Any = None
