"""What a fitted model remembers of its columns.

Owns which are texts, whether they are asked for by name, and whether the model reads texts themselves. Must not know
rows.
"""

import numpy as np

_DOCUMENTS = ("CountVectorizer", "TfidfVectorizer")


def first(model):
    """The part that sees the rows first."""
    while True:
        if getattr(model, "best_estimator_", None) is not None:
            model = model.best_estimator_
        elif getattr(model, "steps", None):
            steps = [step for _, step in model.steps if not isinstance(step, str)]
            model = steps[0]
        else:
            return model


def reads_documents(model):
    """Whether it takes a list of texts."""
    start = first(model)
    if type(start).__name__ in _DOCUMENTS:
        return True
    parts = getattr(start, "transformer_list", None)
    return bool(parts) and all(reads_documents(part) for _, part in parts if not isinstance(part, str))


def by_name(model):
    """Whether it picks columns by name, which the graph then has to have."""
    start = first(model)
    specs = [spec for _, part, spec in getattr(start, "transformers_", []) if part != "drop"]
    flat = [one for spec in specs for one in (spec if isinstance(spec, (list, tuple, np.ndarray)) else [spec])]
    return any(isinstance(one, str) for one in flat)


def kinds(model, width, names):
    """The kind of each column: text where the model keeps texts of it, else f32."""
    found = ["f32"] * width
    _mark(first(model), list(range(width)), names, found)
    return found


def texts_of(sample, names, width, known):
    """Which columns of a sample are texts; none without a sample."""
    if sample is None:
        return [False] * width
    import samples

    table = samples.table(sample, texts=[name for name, kind in zip(names or (), known) if kind == "text"])
    table = samples.choose(table, names, width)
    return [samples.is_text(table.iloc[:, index]) for index in range(width)]


def categories(part):
    """For each column of an encoder or imputer, what it keeps of it; None for other parts."""
    for attribute in ("categories_", "statistics_"):
        kept = getattr(part, attribute, None)
        if kept is not None:
            return [np.atleast_1d(one) for one in kept]
    return None


def indices(spec, names, width):
    """The columns that a ColumnTransformer's specification means."""
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
    """Calls `see(part, columns)` for each part that sees the rows first, with the columns that it sees."""
    if isinstance(part, str):
        return
    part = first(part)
    if getattr(part, "transformers_", None) is not None:
        for _, inner, spec in part.transformers_:
            chosen = indices(spec, names, len(where))
            visit(inner, [where[index] for index in chosen], names, see)
    elif getattr(part, "transformer_list", None) is not None:
        for _, inner in part.transformer_list:
            visit(inner, where, names, see)
    else:
        see(part, where)


def _mark(part, where, names, found):
    def see(part, where):
        if type(part).__name__ in _DOCUMENTS:
            found[where[0]] = "text"
        for index, kept in zip(where, categories(part) or []):
            if kept.dtype.kind in "OUS" and any(isinstance(one, str) for one in kept.ravel()):
                found[index] = "text"

    visit(part, where, names, see)
