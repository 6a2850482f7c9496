"""The small parts of `scorebox_guest`: lines of the log, measurements and settings.

Owns the modules `config`, `log` and `metrics`. Must not know who reads what they write.
"""

import os
from types import ModuleType

import scorebox_door
from scorebox_guest_errors import Failed

config = ModuleType(
    "scorebox_guest.config", "The settings that `[config]` of scorebox.toml gives to the script."
)
log = ModuleType("scorebox_guest.log", "Lines in the host's log, under the id of the call.")
metrics = ModuleType("scorebox_guest.metrics", "Measurements, which the host writes to its log as events.")

_LEVELS = {"trace": b"d", "debug": b"d", "info": b"i", "warn": b"w", "error": b"e"}


def _part_of(module):
    def add(function):
        setattr(module, function.__name__, function)
        return function

    return add


@_part_of(config)
def text(name, default=None):
    """Returns the setting `name` as text, or `default` if scorebox.toml lacks it."""
    return os.environ.get(name, default)


@_part_of(config)
def number(name, default=None):
    """Returns the setting `name` as a number, or `default` if scorebox.toml lacks it.

    Raises `Failed` if the setting is not a number.
    """
    found = text(name)
    try:
        return default if found is None else float(found)
    except ValueError:
        raise Failed(
            "bad-setting", "a setting of the script has a wrong type", f"`{name}` is not a number"
        ) from None


def _all():
    """Returns all variables of the script's environment, by name."""
    return dict(os.environ)


# In this module the name would hide the function of Python.
config.all = _all


@_part_of(log)
def write(level, message, context=""):
    """Writes a line of the level `level`. `context` names the part of the script that writes it."""
    line = f"{context}: {message}" if context else str(message)
    scorebox_door.log(_LEVELS[level], line)


for _level in _LEVELS:

    def _line(message, _level=_level):
        """Writes a line of the level that the function is named after."""
        write(_level, message)

    setattr(log, _level, _line)


@_part_of(metrics)
def count(name, delta=1, **attributes):
    """Adds `delta` to the counter `name`. Keywords are additional facts."""
    _measure("count", name, int(delta), attributes)


@_part_of(metrics)
def record(name, value, **attributes):
    """Records one value of the distribution `name`. Keywords are additional facts."""
    _measure("record", name, float(value), attributes)


def _measure(kind, name, value, attributes):
    facts = {key: str(one) for key, one in attributes.items()}
    scorebox_door.metric({"kind": kind, "name": name, "value": value, "attributes": facts})
