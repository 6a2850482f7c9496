"""Zeros that a library takes for missing values, because its rows are sparse.

Owns the check of the steps before a model of XGBoost, and of LightGBM's parameter. Must not know graphs: there, a zero
is a number.
"""

from refusal import Refused
import estimators

_DENSE = (
    "fit it on dense rows: sparse_threshold=0 in a ColumnTransformer around the steps, or sparse_output=False in a "
    "OneHotEncoder; or take LightGBM, for which these zeros are zeros"
)


def check(model, given):
    """Refuses a model whose answers differ for rows where a zero is not stored. `given` is rows as the model takes them."""
    import scipy.sparse

    while getattr(model, "best_estimator_", None) is not None:
        model = model.best_estimator_
    for part in estimators.walk(model):
        if type(part).__module__.startswith("lightgbm") and _zero_is_missing(part.booster_):
            raise Refused(
                "was fitted with zero_as_missing, and a graph takes zeros for numbers",
                "fit it with NaN in place of the zeros, and without zero_as_missing",
                estimators.class_of(part),
            )
    steps = getattr(model, "steps", None)
    if not steps or len(steps) < 2:
        return
    last = estimators.final(model)
    boosters = [one for one in estimators.walk(last) if type(one).__module__.startswith("xgboost")]
    if boosters and scipy.sparse.issparse(model[:-1].transform(given)):
        for one in boosters:
            if _differs(one.get_booster()):
                raise Refused(
                    "was fitted on sparse rows, whose zeros XGBoost takes for missing values, and a graph for numbers",
                    _DENSE,
                    estimators.class_of(one),
                )


def _differs(booster):
    """Whether a split sends a missing value elsewhere than a zero."""
    table = booster.trees_to_dataframe()
    table = table[table["Feature"] != "Leaf"]
    of_zero = table["Yes"].where(table["Split"] > 0, table["No"])
    return bool((of_zero != table["Missing"]).any())


def _zero_is_missing(booster):
    return "missing_type" in (table := booster.trees_to_dataframe()) and bool((table["missing_type"] == "Zero").any())
