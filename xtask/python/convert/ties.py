"""Rows that are a tie between two labels, so that single precision may choose the other label.

Owns the definition of a tie. Must not know graphs.
"""

import numpy as np


def rows(answers, tolerance):
    """Returns an array that is True for each row with a tie, by the library's own numbers. Returns
    None if the library returns only labels.
    """
    found = None
    for answer in answers:
        margin = _margin(answer)
        if margin is not None:
            tied = margin <= tolerance
            found = tied if found is None else found | tied
    return found


def _margin(answer):
    """Returns the distance between the best number and the second best, which is relative if the
    best is above 1.
    """
    values = answer.values
    if answer.method not in ("predict_proba", "decision_function", "transform") or values.dtype.kind != "f":
        return None
    if values.ndim == 1:
        # The sign of the number decides.
        return np.abs(values) if answer.method == "decision_function" else None
    if values.ndim != 2 or values.shape[1] < 2:
        return None
    # The smallest distance decides for a cluster, and the largest probability for a class.
    ordered = np.sort(values if answer.method == "transform" else -values, axis=1)
    return (ordered[:, 1] - ordered[:, 0]) / np.maximum(1.0, np.abs(ordered[:, 0]))
