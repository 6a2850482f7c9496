"""The stand-ins for the interfaces of the host, in the forms that componentize-py generates.

Owns their behaviour, as far as a scorer can see it. Must not know how a test sets them up.
"""

from __future__ import annotations

import math
from enum import Enum
from typing import Any, Callable, Dict, List, Optional, Tuple

from . import tensor
from ._host import Err
from .graphs import Texts
from .tensor import NamedTensor

# The element types, with the names that the generated enumeration has.
Dtype = Enum("Dtype", [one.name for one in tensor.Dtype])  # type: ignore[misc]


def _case(name: str) -> type:
    """Returns a class for one case of an error, as componentize-py names it."""

    def __init__(self: Any, value: Any = None) -> None:
        self.value = value

    return type(f"Error_{name}", (), {"__init__": __init__})


NotFound, OutOfRange, WrongType = _case("NotFound"), _case("OutOfRange"), _case("WrongType")
NoSuchStore, Other = _case("NoSuchStore"), _case("Other")
NoSuchConnection, Server, InvalidArgument = _case("NoSuchConnection"), _case("Server"), _case("InvalidArgument")


class _Record:
    """A record whose fields are the keyword arguments of its constructor."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)


class Model:
    """The stand-in for the interface ``model``, with tensors and files in memory."""

    Dtype = Dtype

    def __init__(self, tensors: Dict[str, NamedTensor], files: Dict[str, bytes], labels: Dict[str, str]):
        self._tensors, self._files, self._labels = tensors, files, labels
        model = self

        class Tensor(_Tensor):
            @classmethod
            def open(cls, name: str) -> Any:
                if name not in model._tensors:
                    raise Err(NotFound(name))
                return cls(model._tensors[name])

        self.Tensor = Tensor

    def info(self) -> Any:
        labels = list(self._labels.items())
        return _Record(name="test", version="", digest="sha256:" + "0" * 64, labels=labels)

    def tensors(self) -> List[Any]:
        return [_described(self._tensors[name]) for name in sorted(self._tensors)]

    def files(self) -> List[str]:
        return sorted(self._files)

    def read_file(self, name: str, start: int, count: int) -> bytes:
        if name not in self._files:
            raise Err(NotFound(name))
        if start > len(self._files[name]):
            raise Err(OutOfRange())
        return self._files[name][start : start + count]


class _Tensor:
    def __init__(self, held: NamedTensor) -> None:
        self._held = held

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def info(self) -> Any:
        return _described(self._held)

    def bytes(self, start: int, count: int) -> bytes:
        size = self._held.dtype.size
        self._within(start, count)
        return self._held.data[start * size : (start + count) * size]

    def floats(self, start: int, count: int) -> List[float]:
        if self._held.dtype.value not in ("f16", "bf16", "f32", "f64"):
            raise Err(WrongType(getattr(Dtype, self._held.dtype.name)))
        self._within(start, count)
        return list(self._held.values()[start : start + count])

    def rows(self, indices: List[int]) -> List[float]:
        rows = self._held.rows()
        if any(index >= len(rows) for index in indices):
            raise Err(OutOfRange())
        return [value for index in indices for value in rows[index]]

    def _within(self, start: int, count: int) -> None:
        if start + count > math.prod(self._held.shape):
            raise Err(OutOfRange())


def _described(held: NamedTensor) -> Any:
    return _Record(name=held.name, dtype=getattr(Dtype, held.dtype.name), shape=list(held.shape))


class Logging:
    """The stand-in for wasi:logging. Calls ``write`` with the level and the text of each line."""

    Level = Enum("Level", ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "CRITICAL"])

    def __init__(self, write: Callable[[str, str], None]) -> None:
        self._write = write

    def log(self, level: Any, _context: str, message: str) -> None:
        self._write(level.name.lower(), message)


class Metrics:
    """The stand-in for the interface ``metrics``.

    Calls ``write`` with the facts of each measurement.
    """

    def __init__(self, write: Callable[..., None]) -> None:
        self._write = write

    def count(self, name: str, delta: int, attributes: List[Tuple[str, str]]) -> None:
        self._write("count", name, delta, dict(attributes))

    def record_value(self, name: str, value: float, attributes: List[Tuple[str, str]]) -> None:
        self._write("value", name, value, dict(attributes))


class Config:
    """The stand-in for wasi:config, with settings in memory."""

    def __init__(self, settings: Dict[str, str]) -> None:
        self._settings = settings

    def get(self, name: str) -> Optional[str]:
        return self._settings.get(name)

    def get_all(self) -> List[Tuple[str, str]]:
        return sorted(self._settings.items())


class Store:
    """A store of keys and values in memory. Tests may write and read its ``values``."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.values: Dict[str, bytes] = {}
        # True if the store does not answer, to test how a scorer handles that.
        self.is_away = False
        self._ends: Dict[str, float] = {}
        self._clock = clock

    def _live(self) -> None:
        if self.is_away:
            raise Err(Other("the store cannot be reached now: a test says so"))
        for key in [key for key, end in self._ends.items() if end <= self._clock()]:
            self.values.pop(key, None)
            self._ends.pop(key, None)

    def get(self, key: str) -> Optional[bytes]:
        self._live()
        return self.values.get(key)

    def put(self, key: str, value: bytes, ttl_ms: Optional[int]) -> None:
        self._live()
        self.values[key] = value
        self._ends.pop(key, None)
        self.expire(key, ttl_ms)

    def expire(self, key: str, ttl_ms: Optional[int]) -> None:
        self._ends.pop(key, None)
        if ttl_ms is not None:
            self._ends[key] = self._clock() + ttl_ms / 1000

    def set(self, key: str, value: bytes) -> None:
        self.put(key, value, None)

    def delete(self, key: str) -> None:
        self._live()
        self.values.pop(key, None)

    def exists(self, key: str) -> bool:
        return self.get(key) is not None

    def list_keys(self, _cursor: Optional[str]) -> Any:
        self._live()
        return _Record(keys=list(self.values), cursor=None)

    def lifetime(self, key: str) -> Any:
        if self.get(key) is None:
            return _case("Absent")()
        end = self._ends.get(key)
        return _case("Unlimited")() if end is None else _case("Remaining")(round(1000 * (end - self._clock())))

    def add(self, key: str, delta: int, ttl_ms: Optional[int]) -> int:
        held = self.get(key)
        try:
            found = int(held or b"0") + delta
        except ValueError:
            raise Err(Other("the value is not a whole number")) from None
        if held is None:
            self.put(key, b"%d" % found, ttl_ms)
        else:
            self.values[key] = b"%d" % found
        return found


class Cache:
    """The stand-in for the interface ``cache`` and for wasi:keyvalue, without its ``batch``."""

    Condition = Enum("Condition", ["ALWAYS", "IF_ABSENT", "IF_PRESENT"])

    def __init__(self, stores: Dict[str, Store]) -> None:
        self._stores = stores

        class Cas:
            def __init__(self, bucket: Store, key: str) -> None:
                self.bucket, self.key, self.seen = bucket, key, bucket.get(key)

            @classmethod
            def new(cls, bucket: Store, key: str) -> Any:
                return cls(bucket, key)

            def current(self) -> Optional[bytes]:
                return self.seen

        self.Cas = Cas

    class SetOptions(_Record):
        def __init__(self, ttl_ms: Optional[int], condition: Any) -> None:
            super().__init__(ttl_ms=ttl_ms, condition=condition)

    def open(self, name: str) -> Store:
        if name not in self._stores:
            raise Err(NoSuchStore())
        return self._stores[name]

    def set(self, bucket: Store, key: str, value: bytes, options: Any) -> bool:
        wanted = {"IF_ABSENT": False, "IF_PRESENT": True}.get(options.condition.name)
        if wanted is not None and bucket.exists(key) is not wanted:
            return False
        bucket.put(key, value, options.ttl_ms)
        return True

    def set_many(self, bucket: Store, entries: List[Tuple[str, bytes]], ttl_ms: Optional[int]) -> None:
        for key, value in entries:
            bucket.put(key, value, ttl_ms)

    def increment(self, bucket: Store, key: str, delta: int, ttl_ms: Optional[int] = None) -> int:
        return bucket.add(key, delta, ttl_ms)

    def lifetime_of(self, bucket: Store, key: str) -> Any:
        return bucket.lifetime(key)

    def touch(self, bucket: Store, key: str, ttl_ms: Optional[int]) -> bool:
        if not bucket.exists(key):
            return False
        bucket.expire(key, ttl_ms)
        return True

    def swap(self, cas: Any, value: bytes) -> None:
        try:
            newer = None if cas.bucket.get(cas.key) == cas.seen else self.Cas(cas.bucket, cas.key)
            if newer is None:
                cas.bucket.set(cas.key, value)
        except Err as error:
            raise Err(_case("StoreError")(error.value)) from error
        if newer is not None:
            raise Err(_case("CasFailed")(newer))


class Batch:
    """The stand-in for wasi:keyvalue/batch, with operations on several keys of a store."""

    def get_many(self, bucket: Store, keys: List[str]) -> List[Optional[Tuple[str, bytes]]]:
        found = [(key, bucket.get(key)) for key in keys]
        return [None if value is None else (key, value) for key, value in found]

    def delete_many(self, bucket: Store, keys: List[str]) -> None:
        for key in keys:
            bucket.delete(key)


class Graphs:
    """The stand-in for the interface ``graphs``. A function of the test computes each graph."""

    def __init__(self, graphs: Dict[str, Callable[..., Any]]) -> None:
        self._graphs = graphs

    class Tensor(_Record):
        def __init__(self, name: str, shape: List[int], elements: Any) -> None:
            super().__init__(name=name, shape=shape, elements=elements)

    Elements_Plain = _case("Plain")
    Elements_Texts = _case("Texts")

    def list(self) -> List[Any]:
        return [_Record(name=name, inputs=[], outputs=[]) for name in sorted(self._graphs)]

    def compute(self, graph: str, inputs: List[Any]) -> List[Any]:
        if graph not in self._graphs:
            raise Err(NotFound(graph))
        outputs = self._graphs[graph]({one.name: _lifted(one) for one in inputs})
        return [self._lowered(name, value) for name, value in outputs.items()]

    def _lowered(self, name: str, value: Any) -> Any:
        if isinstance(value, Texts):
            return self.Tensor(name, list(value.shape), self.Elements_Texts(list(value.texts)))
        return self.Tensor(name, value.shape, self.Elements_Plain((getattr(Dtype, value.dtype.name), value.data)))


def _lifted(one: Any) -> Any:
    value = one.elements.value
    if type(value) is list:
        return Texts(one.name, one.shape, value)
    return NamedTensor(one.name, getattr(tensor.Dtype, value[0].name), one.shape, value[1])


class Redis:
    """The stand-in for the interface ``redis``.

    A function of the test gets each command and returns the reply.
    """

    def __init__(self, stores: Dict[str, Store], answer: Optional[Callable[..., Any]]) -> None:
        class Connection:
            @classmethod
            def open(cls, name: str) -> Any:
                if name not in stores:
                    raise Err(NoSuchConnection())
                return cls()

            def execute(self, command: List[bytes]) -> Any:
                if answer is None:
                    raise Err(Server("the test has no function for raw commands: Host(redis=...)"))
                return reply(answer(*command))

            def pipeline(self, commands: List[List[bytes]]) -> List[Any]:
                return [_Record(value=self.execute(command)) for command in commands]

            def transaction(self, commands: List[List[bytes]]) -> List[Any]:
                return [self.execute(command) for command in commands]

        self.Connection = Connection


def reply(value: Any) -> Any:
    """Converts a Python value to a reply in the form in which the host returns it."""
    nodes: List[Any] = []

    def add(item: Any) -> int:
        if isinstance(item, dict):
            node = _case("Map")([(add(key), add(inner)) for key, inner in item.items()])
        elif isinstance(item, (list, tuple)):
            node = _case("Array")([add(inner) for inner in item])
        else:
            names = {type(None): "Nil", bool: "Boolean", int: "Integer", float: "Double", str: "Text"}
            node = _case(names.get(type(item), "Bytes"))(item)
        nodes.append(node)
        return len(nodes) - 1

    return _Record(root=add(value), nodes=nodes)
