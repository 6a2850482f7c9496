"""Models that get a sparse matrix, in which a left-out entry is a missing value.

Owns the search for these models. XGBoost treats the entries that a sparse matrix leaves out as
missing, but a graph has no sparse matrices. Must not know graphs.
"""

import warnings as python_warnings

import estimators


def xgboost_parts(model, row):
    """Returns the ids of the XGBoost models that get a sparse matrix. `row` is one row in the form
    that the library takes.
    """
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
        # The final estimator of a stack gets the answers of the other estimators.
        for name, inner in estimators.children(part):
            if name != "final_estimator_":
                _visit(inner, given, found)


def _differs(booster):
    """Returns True if a split sends a missing value to another branch than a zero."""
    table = booster.trees_to_dataframe()
    table = table[table["Feature"] != "Leaf"]
    of_zero = table["Yes"].where(table["Split"] > 0, table["No"])
    return bool((of_zero != table["Missing"]).any())
