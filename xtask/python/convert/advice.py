"""What to do about a graph that answers otherwise.

Owns the fixes, and tries each one that can be tried before it is given. Must not know how a graph is made.
"""

import numpy as np

from refusal import Refused
import comparison
import estimators
import fault
import graphs


def fix(model, attempt, expected, tolerance):
    """The part at fault by its class, and an instruction."""
    layout, rows = attempt.layout, expected.rows
    part = fault.part(model, layout, rows, tolerance)
    name = estimators.class_of(part)
    wrong = comparison.wrong_rows(attempt.graph, layout, expected, tolerance)
    if any(port.kind == "text" for port in layout.ports) and fault.is_text_model(model):
        lowered = {port.name: _lower(rows[port.name]) if port.kind == "text" else rows[port.name] for port in layout.ports}
        if _agrees(model, layout, lowered, tolerance):
            return name, "lower-case the texts before the call: the graph does not know every capital letter"
    if layout.given and _agrees(model, layout.doubled(), rows, tolerance):
        said = ",".join(_said(port) for port in layout.doubled().ports)
        return name, f"use double precision: --inputs '{said}'"
    large = fault.large(layout, rows, wrong)
    if large:
        shown = ", ".join(f"`{one}`" for one in large[:5])
        return name, (
            f"{shown}: single precision rounds numbers above 16777216, and the trees of a graph have no other; subtract an "
            "offset from the column before training and before the call, or leave it out"
        )
    if part is estimators.final(model):
        return name, "use another estimator for it, or write a scorer"
    return name, estimators.SCORER


def _lower(texts):
    flat = [one if one is None else one.lower() for one in texts.ravel()]
    return np.array(flat + [None], dtype=object)[:-1].reshape(texts.shape)


def _agrees(model, layout, rows, tolerance):
    try:
        expected = comparison.library(model, layout, rows, [])
        graph = graphs.convert(model, layout, "again", [])
        return comparison.compare(graph, layout, expected, tolerance, [])[1]["agrees"]
    except Refused:
        return False


def _said(port):
    width = "" if port.width is None else f"[{port.width}]"
    return f"{port.name}={port.kind}{width}"
