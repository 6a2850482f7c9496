"""Key-value stores, such as Redis, that ``scorebox.toml`` defines.

Owns the operations on a store. Must not know addresses, or the prefix that the host adds to keys.
"""

from __future__ import annotations

import json
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Union

from . import errors
from ._host import Err, case, interface

Bytes = Union[bytes, str]


class Bucket:
    """A store of ``scorebox.toml``, which is opened when it is first used.

    So ``init`` may create this object, even if no store can be reached then.

    Times until a key expires are in seconds. If an operation may succeed later, e.g. because the
    store does not answer, the methods raise ``Unavailable``. If it cannot, they raise ``Failed``.
    """

    def __init__(self, name: str = "default") -> None:
        self.name = name
        self._handle = None

    def get(self, key: str) -> Optional[bytes]:
        """Returns the value of a key, or ``None`` if the key does not exist."""
        return self._call(lambda handle: handle.get(key))

    def set(
        self, key: str, value: Bytes, ttl: Optional[float] = None, only_if: Optional[str] = None
    ) -> bool:
        """Writes the value of a key. Returns true if it was written.

        ``ttl`` is the number of seconds until the key expires. If it is ``None``, the store's
        ``default_ttl`` applies. ``only_if`` is ``"absent"`` or ``"present"``: the value is written
        only if the key does not exist, or only if it exists. Otherwise, ``set`` returns false.
        """
        cache = interface("cache")
        names = {None: "ALWAYS", "absent": "IF_ABSENT", "present": "IF_PRESENT"}
        condition = getattr(cache.Condition, names[only_if])
        options = cache.SetOptions(_ms(ttl), condition)
        return self._call(lambda handle: cache.set(handle, key, _bytes(value), options))

    def delete(self, key: str) -> None:
        """Deletes a key, if it exists."""
        self._call(lambda handle: handle.delete(key))

    def exists(self, key: str) -> bool:
        """Returns true if a key exists."""
        return self._call(lambda handle: handle.exists(key))

    def keys(self) -> List[str]:
        """Returns the keys of the scorer in the store, in no particular order.

        A key may be listed twice, and a key that is written or deleted meanwhile may be missing.
        """
        found: List[str] = []
        cursor = None
        while True:
            page = self._call(lambda handle: handle.list_keys(cursor))
            found.extend(page.keys)
            cursor = page.cursor
            if cursor is None:
                return found

    def get_json(self, key: str) -> Any:
        """Returns the value of a key as JSON, or ``None`` if the key does not exist.

        Raises ``Failed`` with the code ``stored-json`` if the value is not JSON.
        """
        found = self.get(key)
        if found is None:
            return None
        try:
            return json.loads(found)
        except ValueError as error:
            raise errors.Failed(
                "stored-json", "the scorer found a stored value that is not JSON", f"`{key}`: {error}"
            ) from error

    def set_json(self, key: str, value: Any, ttl: Optional[float] = None) -> bool:
        """Writes the value of a key as JSON. Returns true. ``ttl`` is as in ``set``."""
        return self.set(key, json.dumps(value, separators=(",", ":")), ttl)

    def get_many(self, keys: Iterable[str]) -> Dict[str, bytes]:
        """Returns those of the keys that exist, with their values."""
        wanted = list(keys)
        found = self._call(lambda handle: interface("batch").get_many(handle, wanted))
        return {pair[0]: pair[1] for pair in found if pair is not None}

    def set_many(self, entries: Mapping[str, Bytes], ttl: Optional[float] = None) -> None:
        """Writes the values of several keys, but not atomically.

        ``ttl`` is as in ``set``.
        """
        pairs = [(key, _bytes(value)) for key, value in entries.items()]
        self._call(lambda handle: interface("cache").set_many(handle, pairs, _ms(ttl)))

    def delete_many(self, keys: Iterable[str]) -> None:
        """Deletes several keys, but not atomically."""
        wanted = list(keys)
        self._call(lambda handle: interface("batch").delete_many(handle, wanted))

    def increment(self, key: str, delta: int = 1, ttl: Optional[float] = None) -> int:
        """Adds ``delta`` to the counter of a key atomically, and returns the sum.

        The counter of a key that does not exist starts at 0, and expires after ``ttl`` seconds. If
        ``ttl`` is ``None``, the store's ``default_ttl`` applies.
        """
        if ttl is None:
            return self._call(lambda handle: interface("atomics").increment(handle, key, delta))
        return self._call(lambda handle: interface("cache").increment(handle, key, delta, _ms(ttl)))

    def lifetime(self, key: str) -> Union[float, bool, None]:
        """Returns the seconds until a key expires.

        Returns ``True`` if the key never expires, and ``None`` if it does not exist.
        """
        found = self._call(lambda handle: interface("cache").lifetime_of(handle, key))
        settled = {"Absent": None, "Unlimited": True}
        return settled[case(found)] if case(found) in settled else found.value / 1000

    def touch(self, key: str, ttl: Optional[float]) -> bool:
        """Makes a key expire after ``ttl`` seconds, or never if ``ttl`` is ``None``.

        Returns false if the key does not exist.
        """
        return self._call(lambda handle: interface("cache").touch(handle, key, _ms(ttl)))

    def update(self, key: str, change: Callable[[Optional[bytes]], Bytes], attempts: int = 16) -> bytes:
        """Replaces the value of a key with the result of ``change`` atomically, and returns it.

        ``change`` gets the current value, or ``None`` if the key does not exist. If another caller
        writes in between, it is called again with the newer value, at most ``attempts`` times in
        all. After that, raises ``Unavailable`` with the code ``store-busy``.
        """
        atomics = interface("atomics")
        cas = self._call(lambda handle: atomics.Cas.new(handle, key))
        for _ in range(attempts):
            value = _bytes(change(_translated(cas.current)))
            try:
                atomics.swap(cas, value)
                return value
            except Err as error:
                if case(error.value) == "StoreError":
                    raise errors.of_store(error.value.value) from error
                cas = error.value.value
        raise errors.Unavailable("store-busy", "other calls change the stored value", f"`{key}`")

    def _call(self, operation: Callable[[Any], Any]) -> Any:
        if self._handle is None:
            self._handle = _translated(lambda: interface("keyvalue").open(self.name))
        return _translated(lambda: operation(self._handle))


def _translated(operation: Callable[[], Any]) -> Any:
    try:
        return operation()
    except Err as error:
        raise errors.of_store(error.value) from error


def _ms(ttl: Optional[float]) -> Optional[int]:
    return None if ttl is None else max(1, round(ttl * 1000))


def _bytes(value: Bytes) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)
