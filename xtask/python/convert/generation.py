"""Rows that nobody has: made up where a fitted model's answers change.

Owns what is drawn for each column. Must not know what becomes of the rows, nor how it is found out which values the
model takes.
"""

import sys

import numpy as np

from nodes import is_missing
import columns

# Beyond these a threshold only says where zero is, or that there is a number.
_TINY, _HUGE = 1e-30, 1e30
# How often a column has no value in a row, and how many of the rows have all of theirs.
_MISSING, _WHOLE = 0.2, 0.4
# How often a column has exactly a value that matters, zero, or a category that was not there in training.
_EXACT, _ZERO, _STRANGE = 0.2, 0.05, 0.1


class Hint:
    """What is known of one column."""

    def __init__(self):
        # Categories; numbers near which answers change; numbers at which they do.
        self.known, self.near, self.exact = [], [], []
        # Words of which the model counts how often they stand in a text.
        self.words = []
        self.middle, self.spread = 0.0, 1.0
        # What the model was found to take.
        self.missing = self.zero = self.strange = self.empty = False

    def draw(self, kind, count, random):
        """So many values that the model takes, without missing ones."""
        if kind == "text":
            return self._texts(count, random)
        drawn = self._numbers(count, random)
        if kind == "i64":
            return np.rint(drawn).astype(np.int64)
        return drawn > self.middle if kind == "bool" else drawn

    def stranger(self, kind):
        """A category that was not there in training; None if the column has none."""
        if kind == "text":
            return "never seen before"
        # No whole number, so that one cannot be taken for another that is cut off.
        known = [one for one in self.known if not isinstance(one, str)]
        return float(max(known)) + (1.0 if kind == "i64" else 0.9) if known else None

    def _texts(self, count, random):
        if self.words:
            return _documents(self.words, count, random)
        known = [one for one in self.known if isinstance(one, str)] or ["a", "b"]
        known = known + ["never seen before"] if self.strange else known
        known = known + [""] if self.empty else known
        return np.array([known[index] for index in random.integers(len(known), size=count)] + [None], dtype=object)[:-1]

    def _numbers(self, count, random):
        known = [float(one) for one in self.known if not isinstance(one, str)]
        if known:
            drawn = random.choice(np.asarray(known), size=count)
            odd = random.random(count) < _STRANGE
            return np.where(odd & self.strange, drawn + 0.9, drawn)
        # Between the values that matter, and somewhat beyond them.
        drawn = random.normal(self.middle, self.spread, size=count)
        if self.near or self.exact:
            near = np.asarray(self.near + self.exact, dtype=np.float64)
            near = near[np.isfinite(near)]
            if len(near):
                reach = (near.max() - near.min()) or 1.0
                drawn = random.choice(near, size=count) + random.normal(0.0, 0.1 * reach, size=count)
        exact = np.asarray([one for one in self.exact if np.isfinite(one)], dtype=np.float64)
        if len(exact):
            drawn = np.where(random.random(count) < _EXACT, random.choice(exact, size=count), drawn)
        return np.where((random.random(count) < _ZERO) & self.zero, 0.0, drawn)


def hints(model, layout):
    """What the model remembers of each column."""
    found = [Hint() for _ in range(layout.width())]
    if layout.form != "documents":
        see = lambda part, where: _learn(part, where, found)
        columns.visit(model, list(range(layout.width())), layout.columns(), see)
    else:
        found[0].words = _words(model)
    return found


def rows(layout, hints, count, random):
    """So many rows by the ports' names; the same ones for the same model and seed."""
    if layout.form == "documents":
        return {layout.ports[0].name: _documents(hints[0].words, count, random)}
    drawn, start, whole = {}, 0, random.random(count) < _WHOLE
    for port in layout.ports:
        chosen = hints[start : start + port.width]
        start += port.width
        values = np.stack([hint.draw(port.kind, count, random) for hint in chosen], axis=1)
        for index, hint in enumerate(chosen):
            if hint.missing:
                gaps = (random.random(count) < _MISSING) & ~whole
                # One row in which everything that can be missing is.
                gaps[-1] = count > 1
                values[gaps, index] = None if port.kind == "text" else np.nan
        drawn[port.name] = values
    return drawn


def _learn(part, where, hints):
    where = [(place, index) for place, index in enumerate(where) if index is not None]
    kept = columns.categories(part)
    if kept is not None:
        categories = getattr(part, "categories_", None) is not None
        for place, index in where if len(kept) > max((place for place, _ in where), default=-1) else []:
            values = [one.item() if isinstance(one, np.generic) else one for one in kept[place] if not is_missing(one)]
            texts = [one for one in values if isinstance(one, str)]
            numbers = [float(one) for one in values if isinstance(one, (bool, int, float))]
            hints[index].known += [one for one in (texts or (numbers if categories else [])) if one not in hints[index].known]
            hints[index].near += [] if categories or texts else numbers
    if where and getattr(part, "vocabulary_", None):
        hints[where[0][1]].words = _words(part)
    # A number or text that stands for a missing one.
    wanted = getattr(part, "missing_values", None)
    for _, index in where:
        if isinstance(wanted, str):
            hints[index].known.append(wanted)
        elif isinstance(wanted, (int, float)) and not is_missing(wanted):
            hints[index].exact.append(float(wanted))
    for matrix in ("_fit_X", "support_vectors_", "cluster_centers_", "theta_"):
        found = getattr(part, matrix, None)
        if isinstance(found, np.ndarray) and found.ndim == 2 and found.dtype.kind in "fiu":
            for place, index in where:
                if place < found.shape[1]:
                    hints[index].near += [float(one) for one in found[:1000, place] if np.isfinite(one)]
    _learn_scale(part, where, hints)
    by_place = dict(where)
    for place, threshold in _thresholds(part):
        # LightGBM writes 1e300 where a split only tells missing values from others.
        if place in by_place and _TINY < abs(threshold) < _HUGE:
            # The number that a caller would write lies on one side of it.
            hints[by_place[place]].exact += [threshold, float(f"{threshold:.6g}")]


def _learn_scale(part, where, hints):
    middle, spread = getattr(part, "mean_", None), getattr(part, "scale_", None)
    if getattr(part, "data_min_", None) is not None:
        middle, spread = (part.data_min_ + part.data_max_) / 2, part.data_max_ - part.data_min_
    if getattr(part, "center_", None) is not None and middle is None:
        middle = part.center_
    for place, index in where:
        if np.ndim(middle) == 1 and place < len(middle):
            hints[index].middle = float(middle[place])
        if np.ndim(spread) == 1 and place < len(spread):
            hints[index].spread = float(spread[place])


def _thresholds(part):
    """Where trees split, as (column, value)."""
    import estimators

    for one in estimators.walk(part):
        tree = getattr(one, "tree_", None)
        if hasattr(tree, "threshold"):
            inner = tree.feature >= 0
            yield from zip(tree.feature[inner].tolist(), tree.threshold[inner].tolist())
        elif getattr(one, "_predictors", None) is not None:
            for tree in np.ravel(np.array(one._predictors, dtype=object)):
                inner = tree.nodes[tree.nodes["is_leaf"] == 0]
                yield from zip(inner["feature_idx"].tolist(), inner["num_threshold"].tolist())
        elif "xgboost" in sys.modules and type(one).__module__.startswith("xgboost"):
            # Not by `get_params`: a pickle of an older XGBoost lacks parameters of today.
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


def _words(model):
    import estimators

    known = []
    for part in estimators.walk(model):
        known += sorted(getattr(part, "vocabulary_", None) or {})
    return sorted({word for entry in known for word in entry.split()}) or ["word"]


def _documents(words, count, random):
    words = words + ["unheard", "x", "42"]
    joins = [" ", ", ", ". ", "\n", " - "]
    texts = []
    for index in range(count):
        length = int(random.integers(0, 24)) if index else 0
        chosen = [words[one] for one in random.integers(len(words), size=length)]
        chosen = [word.upper() if random.random() < 0.1 else word for word in chosen]
        texts.append("".join(word + joins[int(random.integers(len(joins)))] for word in chosen))
    return np.array(texts, dtype=object)
