"""Rows that are generated near the values at which a fitted model's answers change.

Owns the choice of values for each column. Must not know what the rows are used for, nor how the
values that a model accepts are found.
"""

import math
import sys

import numpy as np

from nodes import is_missing
import columns
import precision

# Bounds of useful thresholds. A smaller one only separates zero, and a larger one only separates
# missing values.
_TINY, _HUGE = 1e-30, 1e30
# Probability that a value is missing, and share of the rows in which no value is missing.
_MISSING, _WHOLE = 0.2, 0.4
# Probabilities of a value at which answers change, of zero, and of a category that was not in the
# training data.
_EXACT, _ZERO, _STRANGE = 0.2, 0.05, 0.1


class Hint:
    """Known facts about one column."""

    def __init__(self):
        # Categories, numbers near which answers change, and numbers at which answers change.
        self.known, self.near, self.exact = [], [], []
        # Words that the model counts in a text.
        self.words = []
        self.middle, self.spread = 0.0, 1.0
        # Kinds of values that the model accepts, as trials have shown.
        self.missing = self.zero = self.strange = self.empty = False

    def draw(self, kind, count, random):
        """Returns `count` random values that the model accepts, without missing values."""
        if kind == "text":
            return self._texts(count, random)
        drawn = self._numbers(count, random)
        if kind == "i64":
            return np.rint(drawn).astype(np.int64)
        return drawn > self.middle if kind == "bool" else drawn

    def stranger(self, kind):
        """Returns a category that was not in the training data, or None if the column has no
        categories.
        """
        if kind == "text":
            return "never seen before"
        # In a column of floating-point numbers the result has a fraction. A graph that truncates
        # fractions would take it for a known category, which the comparison finds.
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
        # The values are drawn between those at which answers change, and a little beyond them.
        drawn = random.normal(self.middle, self.spread, size=count)
        if self.near or self.exact:
            near = np.asarray(self.near + self.exact, dtype=np.float64)
            near = near[np.isfinite(near)]
            if len(near):
                # A single threshold does not show the range of its column, even if it occurs
                # several times.
                largest = max(1.0, np.abs(near).max())
                reach = near.max() - near.min()
                reach = reach if reach > 1e-6 * largest else largest
                drawn = random.choice(near, size=count) + random.normal(0.0, 0.1 * reach, size=count)
        exact = np.asarray([one for one in self.exact if np.isfinite(one)], dtype=np.float64)
        if len(exact):
            drawn = np.where(random.random(count) < _EXACT, random.choice(exact, size=count), drawn)
        return np.where((random.random(count) < _ZERO) & self.zero, 0.0, drawn)


def hints(model, layout):
    """Returns the facts that the model keeps about each column."""
    found = [Hint() for _ in range(layout.width())]
    if layout.form != "documents":
        see = lambda part, where: _learn(part, where, found)
        columns.visit(model, list(range(layout.width())), layout.columns(), see)
    else:
        found[0].words = _words(model)
    return found


def rows(layout, hints, count, random):
    """Returns `count` generated rows by the names of the ports. Equal models and seeds give equal
    rows.
    """
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
                # In the last of several rows, every value that can be missing is missing.
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
    # This number or text stands for a missing value.
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
        # LightGBM writes 1e300 if a split only separates missing values from other values.
        if place in by_place and _TINY < abs(threshold) < _HUGE:
            # The decimal number that a caller would write is next to the threshold. Whole numbers
            # above 2^24 may become equal in single precision.
            whole = [math.floor(threshold), math.ceil(threshold)] if abs(threshold) > 2**23 else []
            hints[by_place[place]].exact += dict.fromkeys([threshold, precision.short(threshold), *map(float, whole)])


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
    """Yields the thresholds of a part's trees as pairs of a column and a value."""
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
            # The attribute is read without `get_params`, because a pickle of an older XGBoost lacks
            # new parameters.
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
