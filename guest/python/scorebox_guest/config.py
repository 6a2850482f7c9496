"""The settings that ``[config]`` of ``scorebox.toml`` gives to the scorer.

Owns reads of settings. Must not know where they come from.
"""

from __future__ import annotations

from typing import Dict, Optional

from . import errors
from ._host import Err, interface


def text(name: str, default: Optional[str] = None) -> Optional[str]:
    """Returns the setting ``name`` as text, or ``default`` if ``scorebox.toml`` lacks it."""
    try:
        found = interface("config").get(name)
    except Err as error:
        raise errors.of_config(error.value) from error
    return default if found is None else found


def number(name: str, default: Optional[float] = None) -> Optional[float]:
    """Returns the setting ``name`` as a number, or ``default`` if ``scorebox.toml`` lacks it.

    Raises ``Failed`` if the setting is not a number.
    """
    found = text(name)
    if found is None:
        return default
    try:
        return float(found)
    except ValueError as error:
        raise errors.Failed(
            "bad-setting", "a setting of the scorer has a wrong type", f"`{name}` is not a number"
        ) from error


def all() -> Dict[str, str]:
    """Returns all settings, by name."""
    try:
        return dict(interface("config").get_all())
    except Err as error:
        raise errors.of_config(error.value) from error
