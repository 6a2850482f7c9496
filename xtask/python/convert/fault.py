"""The part of a model at which the graph and the library part.

Owns the search, which converts ever more of a pipeline. Must not know why a part differs.
"""

import copy

import estimators


def find(model, agrees):
    """The part at fault: the first that does not convert alone, or not with the parts before it.

    `agrees(part)` says whether the graph of a part runs and gives the library's answers.
    """
    while getattr(model, "best_estimator_", None) is not None:
        model = model.best_estimator_
    steps = getattr(model, "steps", None)
    if steps:
        for end in range(1, len(steps)):
            if steps[end - 1][1] not in (None, "passthrough") and not _agrees(agrees, model[:end]):
                part = steps[end - 1][1]
                # Only the first step sees the rows themselves.
                return find(part, agrees) if end == 1 else part
        return find(steps[0][1], agrees) if len(steps) == 1 else steps[-1][1]
    for name, part, one in _branches(model):
        if not _agrees(agrees, one):
            return part
    return model


def _branches(model):
    """For each branch of a ColumnTransformer or a FeatureUnion: its name, its part, and the model with it alone."""
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
