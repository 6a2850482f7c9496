"""A stand-in for the host, for tests on the native interpreter.

    from scorebox_guest.testing import Host
    from app import Risk


    def test_a_negative_income_is_rejected():
        scorer = Host(model={"coef": [0.8, -0.4, 1.5], "intercept": [-1.0]}).start(Risk)
        with pytest.raises(Rejected):
            scorer.run({"features": [-1, 2, 0.5]})

Owns the stand-ins of every interface, and calls of a scorer as the host makes them. Must not know
sockets, Redis or an engine for graphs: a test gives a function for these.
"""

from __future__ import annotations

import json
import struct
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple, Union

from . import _host
from ._fakes import Batch, Cache, Config, Graphs, Logging, Metrics, Model, Redis, Store
from .graphs import Texts
from .invocation import Invocation
from .payload import Answer, Payload, answer
from .scorer import JsonScorer, TensorScorer
from .tensor import Dtype, NamedTensor


@dataclass
class Line:
    """A line of the log."""

    level: str
    message: str


@dataclass
class Measurement:
    """A measurement: ``kind`` is ``count`` or ``value``."""

    kind: str
    name: str
    value: float
    attributes: Dict[str, str] = field(default_factory=dict)


class Host:
    """A stand-in for the host: a model, settings, stores in memory, and a log that tests read.

    ``model`` is a folder, a file, or a mapping from names to tensors. A tensor is a
    ``NamedTensor``, or a list of numbers, which becomes a tensor of ``f32`` with one dimension.
    ``files`` are further files of the model. ``stores`` are the names of stores. ``graphs`` has a
    function for each graph, which takes and returns tensors by name. ``redis`` is called with the
    name and the arguments of each Redis command, and returns the reply. ``clock`` returns the time
    in seconds by which keys expire.
    """

    def __init__(
        self,
        model: Union[str, Path, Mapping[str, Any], None] = None,
        files: Optional[Mapping[str, bytes]] = None,
        config: Optional[Mapping[str, str]] = None,
        labels: Optional[Mapping[str, str]] = None,
        stores: Sequence[str] = ("default",),
        graphs: Optional[Mapping[str, Callable[[Dict[str, Any]], Dict[str, Any]]]] = None,
        redis: Optional[Callable[..., Any]] = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        tensors, found = _read(model)
        found.update(files or {})
        self.lines: List[Line] = []
        self.measurements: List[Measurement] = []
        self.stores: Dict[str, Store] = {name: Store(clock) for name in stores}
        self._interfaces = {
            "model": Model(tensors, found, dict(labels or {})),
            "logging": Logging(lambda level, message: self.lines.append(Line(level, message))),
            "config": Config(dict(config or {})),
            "metrics": Metrics(lambda *facts: self.measurements.append(Measurement(*facts))),
            "graphs": Graphs(dict(graphs or {})),
            "keyvalue": Cache(self.stores),
            "cache": Cache(self.stores),
            "atomics": Cache(self.stores),
            "batch": Batch(),
            "redis": Redis(self.stores, redis),
        }
        self._before: List[Dict[str, Any]] = []

    def __enter__(self) -> Host:
        """Makes every capability reachable, for tests of functions without a scorer."""
        self._before.append(_host.install(self._interfaces))
        return self

    def __exit__(self, *_: object) -> None:
        _host.install(self._before.pop())

    def start(self, scorer: type) -> Instance:
        """Creates an instance as the host does: ``describe``, then ``init``.

        ``describe`` may not use a capability. ``init`` may use all of them, because the real host
        runs it for each instance of a scorer in Python.
        """
        instance = scorer()
        before = _host.install({"nothing": None})
        try:
            signature = instance.describe()
            _host.install(self._interfaces)
            instance.init()
        finally:
            _host.install(before)
        return Instance(self, instance, signature)


class Instance:
    """An instance of a scorer under test."""

    def __init__(self, host: Host, scorer: Any, signature: Any) -> None:
        self.scorer, self.signature = scorer, signature
        self._host = host

    def run(self, request: Any, call: Optional[Invocation] = None) -> Any:
        """Scores one request, and returns the answer as a caller reads it.

        A scorer of JSON takes a value and returns one: both go through JSON, as over HTTP. A scorer
        of payloads takes and returns a ``Payload``. A scorer of tensors takes a mapping from names
        to nested lists or ``NamedTensor`` and returns tensors by name.
        """
        found = self.answer(request, call)
        if isinstance(found, Answer):
            return found.payload.to_json() if isinstance(self.scorer, JsonScorer) else found.payload
        return found

    def answer(self, request: Any, call: Optional[Invocation] = None) -> Any:
        """Scores one request, and returns the answer with its status and headers."""
        call = call or Invocation()
        with self._host:
            if isinstance(self.scorer, TensorScorer):
                inputs = [_input(port, request[port.name]) for port in self.signature.inputs]
                return {one.name: one for one in self.scorer.run([call], inputs)}
            if isinstance(self.scorer, JsonScorer):
                body = request.body if isinstance(request, Payload) else json.dumps(request).encode()
                request = Payload("application/json", body).to_json()
            return answer(self.scorer.run(call, request))

    def example(self) -> Any:
        """Scores the first example of the signature, which every scorer must answer."""
        if isinstance(self.scorer, TensorScorer):
            return self.run(self.signature.example)
        payload = self.signature.input.examples[0].value
        return self.run(payload.to_json() if isinstance(self.scorer, JsonScorer) else payload)


def _input(port: Any, value: Any) -> NamedTensor:
    if isinstance(value, NamedTensor):
        return value
    shape: List[int] = []
    level = value
    while isinstance(level, (list, tuple)):
        shape.append(len(level))
        level = level[0] if level else None
    expected = [None if size is None else size for size in port.shape]
    fits = len(shape) == len(expected) and all(want in (None, size) for size, want in zip(shape, expected))
    if not fits:
        raise ValueError(f"`{port.name}` has the shape {shape}, and its port the shape {expected}")
    return NamedTensor.of(port.name, list(_flat(value)), shape, port.dtype)


def _flat(value: Any) -> Iterable[Any]:
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _flat(item)
    else:
        yield value


def _read(model: Any) -> Tuple[Dict[str, NamedTensor], Dict[str, bytes]]:
    """Returns the tensors and the files of a model."""
    if model is None:
        return {}, {}
    if isinstance(model, Mapping):
        tensors = {
            name: value
            if isinstance(value, NamedTensor)
            else NamedTensor.of(name, list(value), [len(value)], Dtype.F32)
            for name, value in model.items()
        }
        return tensors, {}
    root = Path(model)
    paths = [root] if root.is_file() else sorted(path for path in root.rglob("*") if path.is_file())
    base = root.parent if root.is_file() else root
    files = {path.relative_to(base).as_posix(): path.read_bytes() for path in paths}
    if not files:
        raise FileNotFoundError(f"{root}: there is no model")
    tensors = {}
    for name, data in files.items():
        if name.endswith(".safetensors"):
            tensors.update(_safetensors(data))
    return tensors, files


def _safetensors(data: bytes) -> Dict[str, NamedTensor]:
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + length])
    body = data[8 + length :]
    found = {}
    for name, facts in header.items():
        if name != "__metadata__":
            start, end = facts["data_offsets"]
            dtype = Dtype(facts["dtype"].lower())
            found[name] = NamedTensor(name, dtype, list(facts["shape"]), body[start:end])
    return found


__all__ = ["Host", "Instance", "Line", "Measurement", "Texts"]
