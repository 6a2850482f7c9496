"""Rows that nobody has: made up where a fitted model's answers change.

Owns what is drawn for each column. Must not know what becomes of the rows.
"""

import sys

import numpy as np

import columns


def rows(model, layout, count, random):
    """So many rows by the ports' names; the same ones for the same model and seed."""
    if layout.form == "documents":
        return {layout.ports[0].name: _documents(model, count, random)}
    width = sum(port.width for port in layout.ports)
    hints = [_Hint() for _ in range(width)]
    names = layout.names or [port.name for port in layout.ports]
    columns.visit(model, list(range(width)), list(names), lambda part, where: _learn(part, where, hints))
    drawn, start = {}, 0
    for port in layout.ports:
        values = [hints[index].draw(port.kind, count, random) for index in range(start, start + port.width)]
        start += port.width
        drawn[port.name] = np.stack(values, axis=1)
    return drawn


class _Hint:
    """What is known of one column."""

    def __init__(self):
        self.values = []
        self.middle, self.spread = 0.0, 1.0
        self.unknown = False

    def draw(self, kind, count, random):
        if kind == "text" or (self.values and isinstance(self.values[0], str)):
            known = self.values or ["a", "b"]
            known = known + ["never seen before"] if self.unknown else known
            return np.array([known[index] for index in random.integers(len(known), size=count)], dtype=object)
        # Between the values that matter, and somewhat beyond them.
        drawn = random.normal(self.middle, self.spread, size=count)
        if self.values:
            known = np.asarray(self.values, dtype=np.float64)
            reach = (known.max() - known.min()) or 1.0
            near = random.choice(known, size=count) + random.normal(0.0, 0.1 * reach, size=count)
            drawn = near if not self.unknown else random.choice(known, size=count)
        if kind == "i64":
            return np.rint(drawn).astype(np.int64)
        return drawn > self.middle if kind == "bool" else drawn


def _learn(part, where, hints):
    kept = columns.categories(part)
    if kept is not None:
        for index, values in zip(where, kept):
            hints[index].values = [one.item() if isinstance(one, np.generic) else one for one in values if one == one]
            hints[index].unknown = getattr(part, "handle_unknown", "error") in ("ignore", "infrequent_if_exist")
    for matrix in ("_fit_X", "support_vectors_", "cluster_centers_", "theta_"):
        found = getattr(part, matrix, None)
        if isinstance(found, np.ndarray) and found.ndim == 2 and found.shape[1] == len(where):
            for index, values in zip(where, found.T):
                hints[index].values = [float(one) for one in values[:1000]]
    _learn_scale(part, where, hints)
    for index, threshold in _thresholds(part):
        if index < len(where):
            hints[where[index]].values.append(threshold)


def _learn_scale(part, where, hints):
    middle, spread = getattr(part, "mean_", None), getattr(part, "scale_", None)
    if getattr(part, "data_min_", None) is not None:
        middle, spread = (part.data_min_ + part.data_max_) / 2, part.data_max_ - part.data_min_
    if getattr(part, "center_", None) is not None and middle is None:
        middle = part.center_
    for index, value in zip(where, middle if np.ndim(middle) == 1 else []):
        hints[index].middle = float(value)
    for index, value in zip(where, spread if np.ndim(spread) == 1 else []):
        hints[index].spread = float(value)


def _thresholds(part):
    """Where trees split, as (column, value)."""
    import estimators

    for one in estimators.walk(part):
        tree = getattr(one, "tree_", None)
        if hasattr(tree, "threshold"):
            inner = tree.feature >= 0
            yield from zip(tree.feature[inner].tolist(), tree.threshold[inner].tolist())
        elif "xgboost" in sys.modules and type(one).__module__.startswith("xgboost"):
            if getattr(one, "booster", None) == "gblinear":
                continue
            table = one.get_booster().trees_to_dataframe()
            names = one.get_booster().feature_names or [f"f{index}" for index in range(one.n_features_in_)]
            table = table[table["Feature"] != "Leaf"]
            yield from zip([list(names).index(name) for name in table["Feature"]], table["Split"].tolist())
        elif "lightgbm" in sys.modules and type(one).__module__.startswith("lightgbm"):
            table = one.booster_.trees_to_dataframe()
            names = one.booster_.feature_name()
            table = table[table["split_feature"].notna()]
            numbers = table["threshold"].astype(str)
            pairs = [(names.index(name), value) for name, value in zip(table["split_feature"], numbers)]
            yield from [(index, float(value)) for index, value in pairs if "||" not in value]


def _documents(model, count, random):
    import estimators

    known = []
    for part in estimators.walk(model):
        known += sorted(getattr(part, "vocabulary_", None) or {})
    words = sorted({word for entry in known for word in entry.split()}) or ["word"]
    words += ["unheard", "x", "42"]
    joins = [" ", ", ", ". ", "\n", " - "]
    texts = []
    for index in range(count):
        length = int(random.integers(0, 24)) if index else 0
        chosen = [words[one] for one in random.integers(len(words), size=length)]
        chosen = [word.upper() if random.random() < 0.1 and word.isascii() else word for word in chosen]
        texts.append("".join(word + joins[int(random.integers(len(joins)))] for word in chosen))
    return np.array(texts, dtype=object)
