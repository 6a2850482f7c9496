"""Instructions for a user whose graph gives other answers than the library.

Owns the instructions. An instruction is tried before it is given, if it can be tried. Must not know
how answers are compared.
"""

import numpy as np

import estimators

_READERS = ("CountVectorizer", "TfidfVectorizer")


def instruction(model, layout, rows, part, tried):
    """Returns the instruction for this model. `tried` is a function that returns True if the graph
    agrees with the library for other inputs or on other rows.
    """
    if any(port.kind == "f32" for port in layout.ports):
        double = [_double(port) for port in layout.ports]
        if tried(double):
            shown = ",".join(_shown(one) for one in double)
            return f"use double precision, with which it agrees: --inputs '{shown}'"
    capitals = [port.name for port in layout.ports if port.kind == "text" and _capitals(rows[port.name])]
    if capitals and _lowers(model) and tried(others=rows | {name: _lower(rows[name]) for name in capitals}):
        names = ", ".join(f"`{name}`" for name in capitals)
        return f"convert {names} to lower case before the call, and in --sample: the graph does not know every capital"
    merged = [name for name, values in _columns(layout, rows) if _merged(values)]
    if merged:
        names = ", ".join(f"`{name}`" for name in merged[:5])
        return (
            f"subtract an offset from {names} before `fit` and before the call, or leave it out: in single precision, "
            "which the graph has, its numbers are not told apart"
        )
    return f"{estimators.class_of(part)} is where they part: {estimators.instead(part)}"


def _double(port):
    return {"name": port.name, "kind": "f64" if port.kind == "f32" else port.kind, "width": port.width}


def _shown(one):
    return f"{one['name']}={one['kind']}" + (f"[{one['width']}]" if (one["width"] or 1) > 1 else "")


def _capitals(values):
    """Returns True if one of the texts has a capital letter that is not one of A to Z."""
    return any(not one.isascii() and one != one.lower() for one in np.ravel(values) if isinstance(one, str))


def _lower(values):
    lowered = values.copy()
    for place, one in np.ndenumerate(values):
        lowered[place] = one.lower() if isinstance(one, str) else one
    return lowered


def _lowers(model):
    return any(type(one).__name__ in _READERS and one.lowercase for one in estimators.walk(model))


def _columns(layout, rows):
    for port in layout.ports:
        if port.kind in ("f32", "f64"):
            values = np.asarray(rows[port.name], dtype=np.float64)
            names = layout.names if layout.form == "matrix" and layout.names else None
            for index in range(values.shape[1]):
                name = names[index] if names else port.name if values.shape[1] == 1 else f"{port.name}[{index}]"
                yield name, values[:, index]


def _merged(values):
    """Returns True if single precision makes two different numbers equal, and the absolute value of
    a number is above 2^24.
    """
    values = values[np.isfinite(values)]
    return bool((np.abs(values) > 2**24).any()) and len(np.unique(values)) > len(np.unique(values.astype(np.float32)))
