"""The store of scorebox.toml as a cache: values by key, with expiry.

Owns the operations on a store. Must not know the form of replies, or the prefix that the host adds
to keys.
"""

import json

import scorebox_guest_redis
from scorebox_guest_errors import Failed


class Bucket:
    """A store, whose name is checked when it is first used.

    Times until a key expires are in seconds. A value without one never expires. If the store does
    not answer, the methods raise `Unavailable`.
    """

    def __init__(self, name="default"):
        self.name = name

    def get(self, key):
        """Returns the value of a key, or `None` if the key does not exist."""
        return self._execute("GET", key)

    def set(self, key, value, ttl=None, only_if=None):
        """Writes the value of a key. Returns true if it was written.

        With `only_if`, which is `"absent"` or `"present"`, the value is written only if the key
        does not exist, or only if it exists.
        """
        condition = {None: (), "absent": ("NX",), "present": ("XX",)}[only_if]
        return self._execute("SET", key, _bytes(value), *_expiry(ttl), *condition) is not None

    def delete(self, key):
        """Deletes a key, if it exists."""
        self._execute("DEL", key)

    def exists(self, key):
        """Returns true if a key exists."""
        return self._execute("EXISTS", key) == 1

    def get_json(self, key):
        """Returns the value of a key as JSON, or `None` if the key does not exist."""
        found = self.get(key)
        if found is None:
            return None
        try:
            return json.loads(found)
        except ValueError as error:
            raise Failed(
                "stored-json", "the script found a stored value that is not JSON", f"`{key}`: {error}"
            ) from error

    def set_json(self, key, value, ttl=None):
        """Writes the value of a key as JSON. Returns true."""
        return self.set(key, json.dumps(value, separators=(",", ":")), ttl)

    def get_many(self, keys):
        """Returns those of the keys that exist, with their values, in one round trip."""
        wanted = list(keys)
        values = self._execute("MGET", *wanted) if wanted else ()
        return {key: value for key, value in zip(wanted, values) if value is not None}

    def set_many(self, entries, ttl=None):
        """Writes the values of several keys in one round trip, but not atomically."""
        self._all([("SET", key, _bytes(value), *_expiry(ttl)) for key, value in entries.items()])

    def delete_many(self, keys):
        """Deletes several keys in one round trip, but not atomically."""
        self._all([("DEL", key) for key in keys])

    def increment(self, key, delta=1, ttl=None):
        """Adds `delta` to the counter of a key atomically, and returns the sum.

        The counter of a key that does not exist starts at 0, and expires after `ttl` seconds.
        """
        if ttl is None:
            return self._execute("INCRBY", key, delta)
        start = ("SET", key, "0", *_expiry(ttl), "NX")
        return self._connection().transaction([start, ("INCRBY", key, delta)])[1]

    def lifetime(self, key):
        """Returns the seconds until a key expires.

        Returns `True` if the key never expires, and `None` if it does not exist.
        """
        found = self._execute("PTTL", key)
        return {-2: None, -1: True}.get(found, found / 1000)

    def touch(self, key, ttl):
        """Makes a key expire after `ttl` seconds, or never if `ttl` is `None`.

        Returns false if the key does not exist.
        """
        if ttl is not None:
            return self._execute("PEXPIRE", key, _ms(ttl)) == 1
        return self._connection().transaction([("PERSIST", key), ("EXISTS", key)])[1] == 1

    def keys(self):
        """Raises `Failed`, because a script cannot list the keys of a store."""
        raise _refused("keys", "keep the names in a set of your own: SADD and SMEMBERS")

    def update(self, key, change, attempts=16):
        """Raises `Failed`, because a script cannot compare and replace a value atomically."""
        raise _refused("update", "use increment, or a transaction of `redis`")

    def _connection(self):
        return scorebox_guest_redis.Connection(self.name)

    def _execute(self, *words):
        return self._connection().execute(*words)

    def _all(self, commands):
        for reply in self._connection().pipeline(commands) if commands else ():
            if isinstance(reply, Exception):
                raise reply


def _expiry(ttl):
    return () if ttl is None else ("PX", _ms(ttl))


def _ms(ttl):
    return max(1, round(ttl * 1000))


def _bytes(value):
    return value.encode() if isinstance(value, str) else bytes(value)


def _refused(method, fix):
    return Failed("not-in-scripts", f"a script has no `Bucket.{method}`", fix)
