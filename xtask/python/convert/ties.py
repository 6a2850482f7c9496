"""Rows between two labels, where single precision may choose the other one.

Owns how near the two best numbers have to be. Must not know graphs.
"""

import numpy as np


def rows(answers, tolerance):
    """Which rows are a tie by the library's own numbers; None if it gives none next to the label."""
    found = None
    for answer in answers:
        margin = _margin(answer)
        if margin is not None:
            tied = margin <= tolerance
            found = tied if found is None else found | tied
    return found


def _margin(answer):
    """How far the best number is before the next, relative to numbers above 1."""
    values = answer.values
    if answer.method not in ("predict_proba", "decision_function", "transform") or values.dtype.kind != "f":
        return None
    if values.ndim == 1:
        # A decision by the sign.
        return np.abs(values) if answer.method == "decision_function" else None
    if values.ndim != 2 or values.shape[1] < 2:
        return None
    # A cluster is the nearest, a class the most probable.
    ordered = np.sort(values if answer.method == "transform" else -values, axis=1)
    return (ordered[:, 1] - ordered[:, 0]) / np.maximum(1.0, np.abs(ordered[:, 0]))
