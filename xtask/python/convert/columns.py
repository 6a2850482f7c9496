"""Facts that a fitted model keeps about its columns.

Owns the search for columns of texts or booleans, for the values that count as missing, for columns
that are selected by name, and for models that read texts themselves. Must not know rows.
"""

import numpy as np

from nodes import is_missing

_DOCUMENTS = ("CountVectorizer", "TfidfVectorizer")
# Estimators that fill gaps and do not change other values.
_IMPUTERS = ("SimpleImputer", "KNNImputer")


def first(model):
    """Returns the part of a model that gets the rows first."""
    while True:
        if getattr(model, "best_estimator_", None) is not None:
            model = model.best_estimator_
        elif getattr(model, "steps", None):
            steps = [step for _, step in model.steps if not isinstance(step, str)]
            model = steps[0]
        else:
            return model


def reads_documents(model):
    """Returns True if the model takes a list of texts."""
    start = first(model)
    if type(start).__name__ in _DOCUMENTS:
        return True
    parts = getattr(start, "transformer_list", None)
    return bool(parts) and all(reads_documents(part) for _, part in parts if not isinstance(part, str))


def by_name(model):
    """Returns True if the model selects columns by name. The graph then needs the names."""
    start = first(model)
    specs = [spec for _, part, spec in getattr(start, "transformers_", []) if part != "drop"]
    flat = [one for spec in specs for one in (spec if isinstance(spec, (list, tuple, np.ndarray)) else [spec])]
    return any(isinstance(one, str) for one in flat)


def names_of(model, width):
    """Returns the names of the columns on which the model was fitted, or None if it was fitted on
    an array.
    """
    names = getattr(model, "feature_names_in_", None)
    names = None if names is None else tuple(str(name) for name in names)
    # LightGBM invents these names for an array.
    made_up = tuple(f"Column_{index}" for index in range(width or 0))
    return None if names == made_up and names else names


def kinds(model, width, names):
    """Returns the kind of each column: `text` if the model keeps texts of the column, or else
    `f32`.
    """
    found = ["f32"] * width

    def see(part, where):
        if type(part).__name__ in _DOCUMENTS:
            found[where[0]] = "text"
        for index, kept in zip(where, (categories(part) or []) + _missing_texts(part)):
            if index is not None and kept.dtype.kind in "OUS" and any(isinstance(one, str) for one in kept.ravel()):
                found[index] = "text"

    visit(model, list(range(width)), names, see)
    return found


def booleans(model, width, names):
    """Returns a list with True for each column that contained True and False in training, as far as
    the model keeps this fact.
    """
    found = [False] * width

    def see(part, where):
        for index, kept in zip(where, getattr(part, "categories_", None) or []):
            held = [one for one in kept if not is_missing(one)]
            if index is not None and held and all(isinstance(one, (bool, np.bool_)) for one in held):
                found[index] = True
        if type(part).__module__.startswith("xgboost"):
            # XGBoost uses `i` for the type of a column of booleans.
            for index, kind in zip(where, part.get_booster().feature_types or []):
                if index is not None and kind == "i":
                    found[index] = True

    visit(model, list(range(width)), names, see)
    return found


def marks(model, width, names):
    """Returns the value that stands for a missing value in each column of the training data: NaN,
    None or pandas.NA.
    """
    found = [None] * width

    def see(part, where):
        wanted = getattr(part, "missing_values", 0)
        for index, kept in zip(where, getattr(part, "categories_", None) or [[wanted]] * len(where)):
            missing = [one for one in kept if is_missing(one)]
            if index is not None and missing and found[index] is None:
                found[index] = (missing[0],)

    visit(model, list(range(width)), names, see)
    return [np.nan if mark is None else mark[0] for mark in found]


def texts_of(sample, names, width, known):
    """Returns two lists: True for each column of a sample that has texts, and True for each column
    that has True and False. Without a sample, all items are False.
    """
    if sample is None:
        return [False] * width, [False] * width
    import samples

    table = samples.table(sample, texts=[name for name, kind in zip(names or (), known) if kind == "text"])
    table = samples.choose(table, names, width)
    every = [table.iloc[:, index] for index in range(width)]
    return [samples.is_text(one) for one in every], [samples.is_boolean(one) for one in every]


def categories(part):
    """Returns an array for each column of an encoder or imputer: the categories or statistics that
    it keeps. Returns None for any other part.
    """
    for attribute in ("categories_", "statistics_"):
        kept = getattr(part, attribute, None)
        if kept is not None:
            return [np.atleast_1d(one) for one in kept]
    return None


def _missing_texts(part):
    """Returns an array with the missing text for each column of a MissingIndicator, which keeps
    nothing else of its columns. Returns an empty list for any other part.
    """
    wanted = getattr(part, "missing_values", None)
    if type(part).__name__ != "MissingIndicator" or not isinstance(wanted, str):
        return []
    return [np.array([wanted], dtype=object)] * part.n_features_in_


def indices(spec, names, width):
    """Returns the indices of the columns that a ColumnTransformer's specification selects."""
    every = list(range(width))
    if isinstance(spec, slice):
        if isinstance(spec.start, str) or isinstance(spec.stop, str):
            begin = names.index(spec.start) if spec.start is not None else 0
            end = names.index(spec.stop) + 1 if spec.stop is not None else width
            return every[begin : end : spec.step]
        return every[spec]
    spec = [spec] if isinstance(spec, (str, int, np.integer)) else list(spec)
    if spec and all(isinstance(one, (bool, np.bool_)) for one in spec):
        return [index for index, chosen in enumerate(spec) if chosen]
    return [list(names).index(one) if isinstance(one, str) else int(one) for one in spec]


def visit(part, where, names, see):
    """Calls `see(part, columns)` for each part that gets columns of the rows unchanged. `columns`
    are the indices of these columns.

    A part after other parts gets the columns that these do not change. A column that was changed
    has the index None.
    """
    if isinstance(part, str):
        return
    while getattr(part, "best_estimator_", None) is not None:
        part = part.best_estimator_
    if getattr(part, "steps", None):
        for _, step in part.steps:
            if isinstance(step, str):
                continue
            visit(step, where, names, see)
            where, names = passed(step, where, names), None
            if where is None or all(index is None for index in where):
                return
    elif getattr(part, "transformers_", None) is not None:
        for _, inner, chosen in _branches(part, where, names):
            visit(inner, chosen, None, see)
    elif getattr(part, "transformer_list", None) is not None:
        for _, inner in part.transformer_list:
            visit(inner, where, names, see)
    else:
        see(part, where)


def passed(part, where, names):
    """Returns, for each output column of a part, the index of the input column that it equals. The
    index is None for a changed column. Returns None if the columns are not known.
    """
    kind = type(part).__name__
    if kind == "FunctionTransformer" and part.func is None:
        return where
    if kind in _IMPUTERS:
        indicators = len(part.indicator_.features_) if part.add_indicator else 0
        same = len(part.get_feature_names_out()) - indicators == len(where)
        return where + [None] * indicators if same else None
    if getattr(part, "steps", None):
        for _, step in part.steps:
            where, names = where if isinstance(step, str) else passed(step, where, names), None
            if where is None:
                return None
        return where
    places = getattr(part, "output_indices_", None)
    if places is None:
        return None
    found = [None] * max((one.stop for one in places.values()), default=0)
    for name, inner, chosen in _branches(part, where, names):
        kept = chosen if inner == "passthrough" else None if isinstance(inner, str) else passed(inner, chosen, None)
        place = places.get(name)
        if kept is not None and place is not None and place.stop - place.start == len(kept):
            found[place] = kept
    return found


def _branches(part, where, names):
    """Yields the parts of a ColumnTransformer, each with its name and the indices of its columns.
    """
    for name, inner, spec in part.transformers_:
        chosen = _chosen(part, spec, names, len(where))
        if chosen is not None:
            yield name, inner, [where[index] for index in chosen]


def _chosen(part, spec, names, width):
    """Returns the indices of the columns of a part of a ColumnTransformer, or None if it selects
    columns by names that are not known.
    """
    own = getattr(part, "feature_names_in_", None)
    try:
        return indices(spec, list(own) if names is None and own is not None else names, width)
    except (ValueError, TypeError, AttributeError):
        return None
