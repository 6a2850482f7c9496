"""Boosters of XGBoost and LightGBM, as models that answer like the libraries' classes for
scikit-learn.

Owns the choice between classifier and regressor by the objective, and the search for the version in
XGBoost's bytes. Must not know files.
"""

import json
import re

from refusal import Refused, brief

_CLASSIFIERS = ("binary:logistic", "multi:softmax", "multi:softprob", "binary", "multiclass", "multiclassova")
_REGRESSORS = (
    *("reg:squarederror", "reg:linear", "reg:squaredlogerror", "reg:pseudohubererror", "reg:absoluteerror"),
    *("reg:quantileerror", "reg:gamma", "reg:tweedie", "count:poisson", "reg:logistic"),
    *("regression", "regression_l1", "huber", "fair", "poisson", "quantile", "mape", "gamma", "tweedie"),
)
_OTHER = (
    "train it with an objective of a classifier or a regressor, e.g. {}, or write a scorer that reads the model's trees"
)
ENCODE = "encode them by a OneHotEncoder or OrdinalEncoder in the pipeline, and fit again"

# Version of XGBoost in a saved model: an array of three small numbers in UBJSON, or a list in JSON.
_VERSION = re.compile(
    rb'version\[#L\0{7}\x03i(.)i(.)i(.)|version\[\$[iU]#L\0{7}\x03(.)(.)(.)|"version":\[(\d+),(\d+),(\d+)\]', re.DOTALL
)


def is_booster(model):
    """Returns True if an object is a booster that is not wrapped in the library's class for
    scikit-learn.
    """
    return type(model).__name__ == "Booster" and type(model).__module__.split(".")[0] in ("xgboost", "lightgbm")


def wrapped(booster, warnings):
    """Returns a booster wrapped in the library's class for scikit-learn, which gives the same
    answers.
    """
    if type(booster).__module__.startswith("xgboost"):
        return _xgboost(booster, warnings)
    return _lightgbm(booster, warnings)


def load_xgboost(data, warnings):
    """Loads an XGBoost model from the bytes that `save_model` wrote."""
    xgboost = _library("xgboost")
    booster = xgboost.Booster()
    try:
        booster.load_model(bytearray(data))
    except (xgboost.core.XGBoostError, ValueError) as error:
        raise Refused(f"XGBoost {xgboost.__version__} cannot load it: {brief(error)}", _again("xgboost")) from error
    return _xgboost(booster, warnings)


def load_lightgbm(data, warnings):
    """Loads a LightGBM model from the text that `save_model` wrote."""
    lightgbm = _library("lightgbm")
    try:
        booster = lightgbm.Booster(model_str=data.decode("utf-8"))
    except (lightgbm.basic.LightGBMError, ValueError) as error:
        raise Refused(f"LightGBM {lightgbm.__version__} cannot load it: {brief(error)}", _again("lightgbm")) from error
    return _lightgbm(booster, warnings)


def xgboost_version(data):
    """Returns the version of XGBoost that wrote these bytes, e.g. `2.1.3`, or None if the bytes do
    not state it.
    """
    found = _VERSION.search(data)
    if found is None:
        return None
    parts = [one for one in found.groups() if one is not None]
    numbers = [one.decode() if found.group(7) else str(one[0]) for one in parts]
    return ".".join(numbers)


def check_xgboost(model, name):
    """Refuses a model of XGBoost's classes for scikit-learn if its converter cannot read it, or
    reads it wrongly.
    """
    learner = _config(model.get_booster())
    kind = learner["gradient_booster"]["name"]
    if kind != "gbtree":
        raise Refused(
            f"has the booster `{kind}`, and its converter knows `gbtree`", "fit it with booster='gbtree'", name
        )
    missing = getattr(model, "missing", None)
    if missing is not None and missing == missing:
        raise Refused(
            f"takes {missing!r} for a missing value, and its converter only NaN",
            f"put NaN in place of {missing!r} before `fit` and before the call, and fit it with missing=NaN",
            name,
        )
    if "c" in (model.get_booster().feature_types or []):
        raise Refused("splits by categories of pandas, which are no numbers that a caller could send", ENCODE, name)
    targets = learner["learner_model_param"].get("num_target", "1")
    if int(targets) > 1:
        fix = "fit and convert one model for each of them"
        if "Regressor" in name and learner["objective"]["name"] != "reg:quantileerror":
            fix += ", or one pipeline with `sklearn.multioutput.MultiOutputRegressor(XGBRegressor())`"
        raise Refused(f"answers several targets at once ({targets}), and its converter knows one", fix, name)


def _xgboost(booster, warnings):
    import xgboost

    learner = _config(booster)
    objective = learner["objective"]["name"]
    kind = _kind(objective, "binary:logistic or reg:squarederror", "xgboost.core.Booster")
    if booster.attr("scikit_learn") is None and booster.attr("best_iteration") is not None:
        # A booster uses all its trees to answer, unless the caller of `predict` says otherwise.
        best = int(booster.attr("best_iteration")) + 1
        if best < booster.num_boosted_rounds():
            warnings.append(f"all {booster.num_boosted_rounds()} rounds answer; early stopping found {best} to be best")
        booster.set_attr(best_iteration=None)
    booster.set_attr(scikit_learn=None)
    if objective == "multi:softmax":
        # This objective has the same trees. It gives probabilities and not only labels, as
        # XGBClassifier needs.
        booster.set_param({"objective": "multi:softprob"})
    model = xgboost.XGBClassifier() if kind == "classifier" else xgboost.XGBRegressor()
    model.load_model(booster.save_raw("ubj"))
    if kind == "classifier":
        _labels(model.n_classes_, warnings)
    return model


def _lightgbm(booster, warnings):
    import lightgbm
    import numpy as np

    found = re.search(r"^objective=(\S+)", booster.model_to_string(num_iteration=1), re.MULTILINE)
    objective = found.group(1) if found else "none"
    kind = _kind(objective, "binary or regression", "lightgbm.basic.Booster")
    model = lightgbm.LGBMClassifier() if kind == "classifier" else lightgbm.LGBMRegressor()
    model._Booster, model._objective, model.fitted_ = booster, objective, True
    model._n_features = model._n_features_in = booster.num_feature()
    model._best_iteration = booster.best_iteration
    if kind == "classifier":
        from sklearn.preprocessing import LabelEncoder

        # A classifier of two classes has one tree per iteration.
        count = max(2, booster.num_model_per_iteration())
        model._le = LabelEncoder().fit(np.arange(count))
        model._classes, model._n_classes = model._le.classes_, count
        _labels(count, warnings)
    return model


def _config(booster):
    return json.loads(booster.save_config())["learner"]


def _kind(objective, examples, name):
    if objective in _CLASSIFIERS:
        return "classifier"
    if objective in _REGRESSORS:
        return "regressor"
    what = "an objective of its author's own" if objective in ("none", "custom") else f"the objective `{objective}`"
    raise Refused(f"has {what}, which is neither a classifier's nor a regressor's", _OTHER.format(examples), name)


def _labels(count, warnings):
    warnings.append(f"labels are the numbers 0 to {count - 1}: a booster does not keep other names of its classes")


def _again(library):
    return (
        f"save it again with a newer version of {library}, or name a Python with the version that wrote it by --python"
    )


def _library(name):
    try:
        return __import__(name)
    except ImportError:
        raise Refused(
            f"is a model of {name}, which is not in this environment",
            f"install {name} and onnxmltools into it; the environment that `convert` makes itself has them",
        ) from None
