"""Estimators: their parts, their kinds, and the parts without a converter.

Owns the walk through estimators, and every refusal that is known before a conversion is tried. Must
not know graphs.
"""

import datetime
import itertools

import numpy as np

from refusal import Refused
import boosters
import elsewhere
import versions

INSTEAD = {
    "KNNImputer": "fit a SimpleImputer in its place, with add_indicator=True where the gaps tell something",
    "HashingVectorizer": "CountVectorizer and TfidfVectorizer do convert",
    "TransformedTargetRegressor": "pickle its `regressor_`, and undo the change of the target after the call",
}
SCORER = "leave it out and do its work before the call, or write a scorer"
# Instruction for a part that gives the answers of the model, and therefore cannot be left out.
ANOTHER = "fit an estimator that converts in its place, as xtask/docs/convert.md lists them, or write a scorer"
_DATES = (
    "make numbers of the dates before `fit` and before the call, e.g. days: "
    "`frame[name].astype('datetime64[s]').astype('int64') // 86400`"
)


def children(estimator):
    """Returns the fitted parts of an estimator, each as a pair of its name and the part."""
    named = []
    for attribute in ("steps", "transformer_list"):
        named += [part[:2] for part in getattr(estimator, attribute, None) or []]
    named += [part[:2] for part in getattr(estimator, "transformers_", None) or []]
    learners = getattr(estimator, "estimators_", None)
    if learners is not None and len(learners):
        flat = np.ravel(np.array(learners, dtype=object)) if isinstance(learners, np.ndarray) else learners
        # IsolationForest and others keep pairs. Most ensembles keep estimators.
        named += [(str(index), one[1] if isinstance(one, tuple) else one) for index, one in enumerate(flat)]
    calibrated = getattr(estimator, "calibrated_classifiers_", None)
    named += [(str(index), one.estimator) for index, one in enumerate(calibrated or [])]
    attributes = ["best_estimator_", "final_estimator_", "regressor_"]
    if not named:
        attributes.append("estimator_")
    named += [(name, getattr(estimator, name)) for name in attributes if getattr(estimator, name, None) is not None]
    return [(name, part) for name, part in named if part is not None and not isinstance(part, str)]


def walk(estimator):
    """Yields the estimator and all its parts, each of them once."""
    seen, todo = set(), [estimator]
    while todo:
        one = todo.pop(0)
        if id(one) not in seen:
            seen.add(id(one))
            yield one
            todo[:0] = [part for _, part in children(one)]


def class_of(estimator):
    """Returns the public import path of an estimator's class, such as `package.module.Class`.
    Private modules and modules in them are left out.
    """
    kind = type(estimator)
    public = lambda part: not part.startswith("_") or part == "__main__"
    package = list(itertools.takewhile(public, kind.__module__.split(".")))
    return ".".join(package + [kind.__qualname__])


def tree(estimator, name=None):
    """Returns the tree of an estimator's parts by class, for the report. Equal parts that follow
    each other are counted.
    """
    node = {"class": class_of(estimator)}
    if name is not None:
        node["name"] = str(name)
    parts = []
    for part_name, part in children(estimator):
        part = tree(part, part_name)
        if parts and {**parts[-1], "name": None, "count": None} == {**part, "name": None, "count": None}:
            parts[-1]["count"] = parts[-1].get("count", 1) + 1
        else:
            parts.append(part)
    if parts:
        node["parts"] = parts
    return node


def summary(estimator):
    """Returns a summary of an estimator in one line: a pipeline with the classes of its steps, or
    else the class.
    """
    steps = getattr(estimator, "steps", None)
    if not steps:
        return type(estimator).__name__
    names = [type(step).__name__ for _, step in steps if not isinstance(step, str)]
    return f"{type(estimator).__name__}({', '.join(names)})"


def final(estimator):
    """Returns the part of an estimator that gives the answers."""
    while True:
        if getattr(estimator, "steps", None):
            estimator = [step for _, step in estimator.steps if not isinstance(step, str)][-1]
        elif getattr(estimator, "best_estimator_", None) is not None:
            estimator = estimator.best_estimator_
        else:
            return estimator


def classes(estimator):
    """Returns the labels in the order of the output columns, as values of JSON. Returns None if
    there are none.
    """
    found = getattr(estimator, "classes_", None)
    if not isinstance(found, np.ndarray) or found.ndim != 1:
        return None
    return [one.item() if isinstance(one, np.generic) else str(one) for one in found]


def methods(estimator):
    """Returns the expected outputs, as pairs of the output's name and the method of the library."""
    last = final(estimator)
    kind = _kind(last)
    has = lambda method: hasattr(estimator, method)
    if kind == "classifier":
        if has("predict_proba"):
            return [("label", "predict"), ("probabilities", "predict_proba")]
        return [("label", "predict")] + ([("scores", "decision_function")] if has("decision_function") else [])
    if kind == "outlier_detector":
        found = [("label", "predict"), ("scores", "decision_function")]
        return found + ([("score_samples", "score_samples")] if type(last).__name__ == "IsolationForest" else [])
    if kind == "clusterer":
        return [("label", "predict")] + ([("scores", "transform")] if has("transform") else [])
    if kind == "regressor" or (has("predict") and not has("predict_proba")):
        return [("variable", "predict")]
    if has("predict_proba"):
        return [("label", "predict"), ("probabilities", "predict_proba")]
    if has("transform"):
        return [("variable", "transform")]
    raise Refused(
        "has neither `predict` nor `transform` for new rows",
        "pickle an estimator that scores rows that it has not seen",
        class_of(last),
    )


def _kind(estimator):
    """Returns the kind of an estimator, as scikit-learn names it. Before scikit-learn 1.6, an
    attribute states it.
    """
    try:
        from sklearn.utils import get_tags
    except ImportError:
        return getattr(estimator, "_estimator_type", None)
    return get_tags(estimator).estimator_type


def check(model):
    """Refuses a model that is not a fitted estimator, or that has a part without a converter."""
    from sklearn.utils.validation import NotFittedError, check_is_fitted

    _converters()
    if not (hasattr(model, "fit") and (hasattr(model, "predict") or hasattr(model, "transform"))):
        name = class_of(model)
        if elsewhere.instruction(name):
            raise Refused("is not an estimator of scikit-learn", elsewhere.instruction(name), name)
        inside = f" with the keys {', '.join(map(repr, list(model)[:8]))}" if isinstance(model, dict) else ""
        raise Refused(
            f"the file holds no estimator but {name}{inside}",
            "pickle the fitted estimator or pipeline itself, and nothing around it",
        )
    try:
        check_is_fitted(model)
    except NotFittedError:
        raise Refused("is not fitted", "pickle it after `fit`", class_of(model)) from None
    except TypeError:
        pass
    for part in walk(model):
        _check_part(part)
    methods(model)
    # The attribute is a list of arrays if the classifier has several targets.
    if isinstance(getattr(model, "classes_", None), list):
        raise Refused(
            "answers several questions at once", "fit and convert one classifier for each of them", class_of(final(model))
        )


def _check_part(part):
    from skl2onnx._supported_operators import sklearn_operator_name_map
    from sklearn.base import BaseEstimator
    from sklearn.pipeline import FeatureUnion, Pipeline
    from sklearn.compose import ColumnTransformer

    name = class_of(part)
    if type(part) in (Pipeline, FeatureUnion, ColumnTransformer) or hasattr(part, "best_estimator_"):
        return
    if type(part).__name__ == "FixedThresholdClassifier":
        raise refused_threshold(part)
    if type(part) not in sklearn_operator_name_map:
        version = versions.of("skl2onnx")
        if type(part).__module__.split(".")[0] in ("sklearn", "xgboost", "lightgbm"):
            raise Refused(f"skl2onnx {version} has no converter for it", instead(part), name)
        what = "a class of your own" if isinstance(part, BaseEstimator) else "not an estimator of scikit-learn"
        fix = elsewhere.instruction(type(part).__module__) or instead(part)
        raise Refused(f"is {what}, and a graph cannot hold Python code", fix, name)
    if type(part).__name__ == "FunctionTransformer" and part.func is not None:
        function = getattr(part.func, "__name__", "a function")
        raise Refused(f"calls `{function}`, and a graph cannot hold Python code", SCORER, name)
    if type(part).__name__ in ("CountVectorizer", "TfidfVectorizer"):
        _check_text(part, name)
    if type(part).__module__.startswith("xgboost"):
        boosters.check_xgboost(part, name)
    if any(_is_date(one) for kept in getattr(part, "categories_", None) or [] for one in list(kept)[:1]):
        raise Refused("has dates as categories, and a graph knows no dates", _DATES, name)
    if getattr(part, "sublinear_tf", False):
        # The results are equal if no word occurs twice in a text, so the comparison may not find
        # the difference.
        raise Refused(
            "has sublinear_tf, for which skl2onnx takes log(1 + n) instead of 1 + log(n)", "fit it without", name
        )
    if type(part).__module__.startswith("lightgbm") and part.booster_.pandas_categorical:
        raise Refused(
            "splits by categories of pandas, which are no numbers that a caller could send",
            boosters.ENCODE,
            name,
        )


def instead(part):
    """Returns the instruction for a part without a converter."""
    return INSTEAD.get(type(part).__name__, SCORER if hasattr(part, "transform") else ANOTHER)


def refused_threshold(part):
    """Returns the refusal of a classifier with a threshold that was chosen. Its probabilities
    convert, and the caller can compare them with the threshold.
    """
    threshold = getattr(part, "best_threshold_", getattr(part, "threshold", "auto"))
    if part.response_method == "decision_function" or not hasattr(part.estimator_, "predict_proba"):
        problem, fix = "decides by a threshold of `decision_function`", "fit it with response_method='predict_proba'"
        return Refused(f"{problem}, which the graph does not compute", fix, class_of(part))
    threshold = 0.5 if threshold == "auto" else float(threshold)
    positive = part.pos_label if getattr(part, "pos_label", None) is not None else part.classes_[1]
    positive = positive.item() if isinstance(positive, np.generic) else positive
    return Refused(
        f"decides by the threshold {threshold:.6g}, and a graph of its estimator by one half",
        f"pickle its `estimator_`, and take the class {positive!r} where its `probabilities` are at least {threshold!r}",
        class_of(part),
    )


def _is_date(value):
    return isinstance(value, (np.datetime64, np.timedelta64, datetime.date, datetime.timedelta))


def _check_text(part, name):
    for attribute in ("tokenizer", "preprocessor", "strip_accents"):
        if getattr(part, attribute) is not None:
            raise Refused(
                f"has a {attribute.replace('_', ' ')}, and the graph's operators know none",
                f"fit it with {attribute}=None, and do that work on the texts before the call",
                name,
            )
    if part.analyzer != "word":
        shown = part.analyzer if isinstance(part.analyzer, str) else "a function"
        raise Refused(
            f"has the analyzer {shown!r}, and only 'word' gives the library's own answers",
            "fit it with analyzer='word'",
            name,
        )
    if part.stop_words and part.ngram_range[1] > 1:
        raise Refused(
            "leaves stop words out before it joins words, which the graph's operators cannot do",
            "fit it with stop_words=None or ngram_range=(1, 1)",
            name,
        )


def _converters():
    """Registers the converters of the libraries that are loaded."""
    import converters

    converters.register()
