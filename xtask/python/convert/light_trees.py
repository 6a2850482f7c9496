"""LightGBM trees with features that trees of a graph do not have.

Owns the refusal of zeros that count as missing values, and of leaves with a linear model. Must not
know graphs, in which a zero is a number and a leaf has one value.
"""

from refusal import Refused
import estimators


def check(model):
    """Refuses a model from which the converter would silently lose something."""
    for part in estimators.walk(model):
        if not type(part).__module__.startswith("lightgbm"):
            continue
        if _zero_is_missing(part.booster_):
            raise Refused(
                "was fitted with zero_as_missing, and a graph takes zeros for numbers",
                "fit it with NaN in place of the zeros, and without zero_as_missing",
                estimators.class_of(part),
            )
        if "\nis_linear=1" in part.booster_.model_to_string():
            raise Refused(
                "was fitted with linear_tree, and a leaf of a graph's tree holds one value",
                "fit it without linear_tree, with more leaves or trees",
                estimators.class_of(part),
            )


def _zero_is_missing(booster):
    return "missing_type" in (table := booster.trees_to_dataframe()) and bool((table["missing_type"] == "Zero").any())
