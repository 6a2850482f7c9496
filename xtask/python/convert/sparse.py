"""Models that see a sparse matrix in training, for which no entry is a missing value.

Owns the search for them. XGBoost takes what a sparse matrix leaves out for missing, and a graph knows no sparse matrix.
Must not know graphs.
"""

import warnings as python_warnings

import estimators


def xgboost_parts(model, row):
    """The XGBoost models whose input is sparse, by identity; `row` is one row as the library takes it."""
    found = set()
    with python_warnings.catch_warnings():
        python_warnings.simplefilter("ignore")
        try:
            _visit(model, row, found)
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001 - the model's own code; the comparison finds what this does not.
            pass
    return found


def _visit(part, given, found):
    while getattr(part, "best_estimator_", None) is not None:
        part = part.best_estimator_
    if type(part).__module__.startswith("xgboost"):
        if hasattr(given, "tocsr") and _differs(part.get_booster()):
            found.add(id(part))
    elif getattr(part, "steps", None):
        steps = [step for _, step in part.steps if not isinstance(step, str)]
        for step in steps[:-1]:
            given = step.transform(given)
        _visit(steps[-1], given, found)
    elif getattr(part, "transformers_", None) is None:
        # The last of a stack sees the answers of the others.
        for name, inner in estimators.children(part):
            if name != "final_estimator_":
                _visit(inner, given, found)


def _differs(booster):
    """Whether a split sends a missing value elsewhere than a zero."""
    table = booster.trees_to_dataframe()
    table = table[table["Feature"] != "Leaf"]
    of_zero = table["Yes"].where(table["Split"] > 0, table["No"])
    return bool((of_zero != table["Missing"]).any())
