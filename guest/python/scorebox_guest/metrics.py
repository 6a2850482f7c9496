"""Measurements, which the host writes to its log as events.

Owns the two kinds of measurement. Must not know who reads them.
"""

from __future__ import annotations

from ._host import interface


def count(name: str, delta: int = 1, **attributes: object) -> None:
    """Adds ``delta`` to the counter ``name``. Keywords are additional facts."""
    interface("metrics").count(name, delta, _pairs(attributes))


def record(name: str, value: float, **attributes: object) -> None:
    """Records one value of the distribution ``name``. Keywords are additional facts."""
    interface("metrics").record_value(name, float(value), _pairs(attributes))


def _pairs(attributes):
    return [(name, str(value)) for name, value in attributes.items()]
