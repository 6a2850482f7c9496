"""Search for the part of a model at which the graph's answers differ from the library's.

Owns the search, which converts longer and longer starts of a pipeline. Must not know why a part
differs.
"""

import copy

import estimators


def find(model, agrees):
    """Returns the part at fault: the first part that does not convert, alone or after the parts
    before it.

    `agrees(part)` returns True if the graph of a part runs and gives the library's answers.
    """
    while getattr(model, "best_estimator_", None) is not None:
        model = model.best_estimator_
    steps = getattr(model, "steps", None)
    if steps:
        for end in range(1, len(steps)):
            if steps[end - 1][1] not in (None, "passthrough") and not _agrees(agrees, model[:end]):
                part = steps[end - 1][1]
                # Only the first step gets the rows unchanged.
                return find(part, agrees) if end == 1 else part
        return find(steps[0][1], agrees) if len(steps) == 1 else steps[-1][1]
    for name, part, one in _branches(model):
        if not _agrees(agrees, one):
            return part
    return model


def _branches(model):
    """Yields the name and the part of each branch of a ColumnTransformer or FeatureUnion, and a
    copy of the model with this branch alone.
    """
    for attribute in ("transformers_", "transformer_list"):
        for entry in getattr(model, attribute, None) or []:
            if not isinstance(entry[1], str) and entry[1] is not None:
                alone = copy.copy(model)
                setattr(alone, attribute, [entry])
                yield entry[0], estimators.final(entry[1]), alone


def _agrees(agrees, part):
    try:
        return agrees(part)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - a part that does not even run says nothing of the others.
        return True
