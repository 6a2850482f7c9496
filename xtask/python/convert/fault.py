"""The part at fault where a graph answers otherwise, or is refused.

Owns the search: each step of a pipeline is converted and compared for itself. Must not know what becomes of the part.
"""

import numpy as np

from refusal import Refused
import columns
import comparison
import estimators
import graphs
import inputs

# Rows that are enough to see which step differs.
_ROWS = 500


def part(model, layout, rows, tolerance):
    """The part at fault: the first step that transforms otherwise, or else the last step."""
    while getattr(model, "best_estimator_", None) is not None:
        model = model.best_estimator_
    rows = inputs.chosen(rows, slice(0, _ROWS))
    if getattr(model, "steps", None):
        real = [index for index, (_, step) in enumerate(model.steps) if not isinstance(step, str)]
        for index in real[:-1]:
            if not _agrees(model[: index + 1], layout, rows, tolerance):
                step = model.steps[index][1]
                # Only the first step sees the rows as they are.
                return part(step, layout, rows, tolerance) if index == real[0] else step
        return model.steps[real[-1]][1]
    if getattr(model, "transformers_", None) is not None and layout.form == "columns":
        names = layout.columns()
        for _, inner, spec in model.transformers_:
            some = None if isinstance(inner, str) else columns.indices(spec, names, len(names))
            if not some or getattr(inner, "func", 0) is None:
                continue
            narrow, few = _narrow(layout, rows, some)
            if not _agrees(inner, narrow, few, tolerance):
                return part(inner, narrow, few, tolerance)
    return model


def _agrees(model, layout, rows, tolerance):
    try:
        said = []
        expected = comparison.library(model, layout, rows, said)
        graph = graphs.convert(model, layout, "part", said)
        return comparison.compare(graph, layout, expected, tolerance, said)[1]["agrees"]
    except MemoryError:
        raise
    except Refused:
        return False
    except Exception:  # noqa: BLE001 - a part alone may not be what its library expects.
        return False


def _narrow(layout, rows, some):
    """The layout and the rows of some of the columns."""
    ports = tuple(layout.ports[index] for index in some)
    pick = lambda values: tuple(values[index] for index in some) if values else values
    names = pick(layout.names) if layout.names is not None else None
    narrow = inputs.Layout("columns", ports, names, pick(layout.marks), pick(layout.booleans))
    return narrow, {port.name: rows[port.name] for port in ports}


def is_text_model(model):
    """Whether any part reads words."""
    return any(type(one).__name__ in ("CountVectorizer", "TfidfVectorizer") for one in estimators.walk(model))


def large(layout, rows, wrong):
    """The columns that hold whole numbers in rows that differ which single precision rounds."""
    found = []
    for port in layout.ports:
        if port.kind not in ("f32", "f64"):
            continue
        values = rows[port.name][wrong]
        rounded = (np.abs(values) > 2**24) & (values.astype(np.float32).astype(np.float64) != values)
        names = layout.names if layout.form == "matrix" and layout.names else None
        for index in np.flatnonzero(rounded.any(axis=0)) if values.ndim == 2 else []:
            found.append(names[index] if names else port.name if port.width == 1 else f"{port.name}[{index}]")
    return found
