"""Zeros that LightGBM takes for missing values.

Owns the check of LightGBM's parameter. Must not know graphs: there, a zero is a number.
"""

from refusal import Refused
import estimators


def check(model):
    """Refuses a model whose trees send a zero where a missing value goes."""
    for part in estimators.walk(model):
        if type(part).__module__.startswith("lightgbm") and _zero_is_missing(part.booster_):
            raise Refused(
                "was fitted with zero_as_missing, and a graph takes zeros for numbers",
                "fit it with NaN in place of the zeros, and without zero_as_missing",
                estimators.class_of(part),
            )


def _zero_is_missing(booster):
    return "missing_type" in (table := booster.trees_to_dataframe()) and bool((table["missing_type"] == "Zero").any())
