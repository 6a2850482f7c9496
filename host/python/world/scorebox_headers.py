"""Headers and other lists of names with values, as scripts know them from Flask.

Owns the lookup by name. Must not know requests and answers.
"""


class Headers:
    """Headers in their order. A name is found in any case."""

    def __init__(self, pairs=()):
        self._pairs = []
        self.extend(pairs)

    def __iter__(self):
        return iter(self._pairs)

    def __len__(self):
        return len(self._pairs)

    def __contains__(self, name):
        return any(self._values(name))

    def __getitem__(self, name):
        values = list(self._values(name))
        if not values:
            raise KeyError(name)
        return ",".join(values)

    def __setitem__(self, name, value):
        self.remove(name)
        self.add(name, value)

    def __delitem__(self, name):
        self.remove(name)

    def __repr__(self):
        return f"{type(self).__name__}({self._pairs!r})"

    def get(self, name, default=None, type=None):
        """Returns the value of a header, or `default` if there is none or `type` refuses it."""
        return _typed(self[name], default, type) if name in self else default

    def getlist(self, name):
        """Returns the values of all headers with this name."""
        return list(self._values(name))

    get_all = getlist

    def keys(self):
        """Returns the names, each one time."""
        return list({name.lower(): name for name, _ in self._pairs}.values())

    def values(self):
        """Returns the values, in the order of the headers."""
        return [value for _, value in self._pairs]

    def items(self):
        """Returns the pairs, in the order of the headers."""
        return list(self._pairs)

    to_wsgi_list = items

    def add(self, name, value):
        """Adds a header."""
        self._pairs.append((str(name), str(value)))

    add_header = add
    set = __setitem__

    def setdefault(self, name, value):
        """Adds a header if there is none with this name. Returns the value of the header."""
        if name not in self:
            self.add(name, value)
        return self[name]

    def extend(self, pairs):
        """Adds headers: pairs, or a dict whose values may be lists."""
        for name, value in pairs.items() if hasattr(pairs, "items") else pairs:
            for one in value if isinstance(value, (list, tuple)) else (value,):
                self.add(name, one)

    update = extend

    def remove(self, name):
        """Removes all headers with this name."""
        self._pairs = [pair for pair in self._pairs if pair[0].lower() != str(name).lower()]

    def _values(self, name):
        wanted = str(name).lower()
        return (value for one, value in self._pairs if one.lower() == wanted)


class RequestHeaders(dict):
    """Headers of a request as a dict, for the parameter `request_headers`.

    Names are in title case, as in Flask. A name is found in any case.
    """

    def __init__(self, headers):
        super().__init__((name.title(), headers[name]) for name in headers.keys())

    def __getitem__(self, name):
        return super().__getitem__(name if name in self.keys() else str(name).title())

    def __contains__(self, name):
        return super().__contains__(name) or super().__contains__(str(name).title())

    def get(self, name, default=None):
        """Returns the value of a header, or `default`."""
        return self[name] if name in self else default


class MultiDict(dict):
    """A dict of first values that has all values of a name, too."""

    def __init__(self, pairs=()):
        self._lists = {}
        for name, value in pairs:
            self._lists.setdefault(name, []).append(value)
        super().__init__((name, values[0]) for name, values in self._lists.items())

    def get(self, name, default=None, type=None):
        """Returns the first value of a name, or `default` if there is none or `type` refuses it."""
        return _typed(self[name], default, type) if name in self else default

    def getlist(self, name, type=None):
        """Returns all values of a name."""
        values = self._lists.get(name, [])
        return list(values) if type is None else [type(value) for value in values]

    def items(self, multi=False):
        """Returns names with their first values, or with `multi` with all of their values."""
        if not multi:
            return super().items()
        return [(name, value) for name, values in self._lists.items() for value in values]

    def lists(self):
        """Returns names with lists of their values."""
        return [(name, list(values)) for name, values in self._lists.items()]

    def to_dict(self, flat=True):
        """Returns a plain dict of first values, or of lists."""
        return dict(self) if flat else dict(self.lists())


def _typed(value, default, type):
    if type is None:
        return value
    try:
        return type(value)
    except (ValueError, TypeError):
        return default
