"""Compares our own converters with scikit-learn, part by part, on random data.

Owns the parts, their options and the data. Must not know how a part is converted: it asks skl2onnx, in which
`xtask/python/convert` has registered its converters.

    python3 repairs.py FOLDER CONVERTERS
"""

import sys
import warnings

import numpy as np
import onnxruntime
import xgboost
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn import ensemble, linear_model, tree
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.model_selection import TunedThresholdClassifierCV
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler, TargetEncoder
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, Int64TensorType, StringTensorType

sys.path.insert(0, sys.argv[2])
import converters  # noqa: E402
import precision  # noqa: E402

ROWS = 200
TYPES = {
    "f32": (FloatTensorType, np.float32),
    "f64": (DoubleTensorType, np.float64),
    "i64": (Int64TensorType, np.int64),
    "text": (StringTensorType, object),
}
TRIED, WRONG = [0], []


def main():
    warnings.simplefilter("ignore")
    converters.register()
    random = np.random.default_rng(5)
    imputers(random)
    encoders(random)
    trees(random)
    others(random)
    print(f"{TRIED[0]} tried, wrong: {WRONG}", file=sys.stderr)
    sys.exit(1 if WRONG or TRIED[0] < 150 else 0)


def session(model, kind, width):
    shape = [None] if width is None else [None, width]
    options = {id(last_of(model)): {"zipmap": False}} if hasattr(model, "predict_proba") else None
    graph = convert_sklearn(
        model, initial_types=[("X", TYPES[kind][0](shape))], target_opset={"": 18, "ai.onnx.ml": 3}, options=options
    )
    quiet = onnxruntime.SessionOptions()
    quiet.log_severity_level = 4
    return onnxruntime.InferenceSession(graph.SerializeToString(), quiet, providers=["CPUExecutionProvider"])


def last_of(model):
    return model[-1] if hasattr(model, "steps") else model


def check(model, rows, kind):
    """Asks both, with the empty text for a missing one."""
    TRIED[0] += 1
    method = next(one for one in ("predict_proba", "predict", "transform") if hasattr(model, one))
    expected = getattr(model, method)(rows)
    expected = np.asarray(expected.toarray() if hasattr(expected, "toarray") else expected)
    given = np.array([["" if missing(one) else one for one in row] for row in rows], dtype=object)
    given = given if kind == "text" else rows.astype(TYPES[kind][1])
    try:
        result = np.asarray(session(model, kind, rows.shape[1]).run(None, {"X": given})[1 if method == "predict_proba" else 0])
    except Exception as error:  # noqa: BLE001 - whatever a converter or the engine raises is told.
        WRONG.append((str(model), kind, f"{type(error).__name__}: {error}"[:200]))
        return
    if result.dtype == object:
        same = result.shape == expected.shape and (result.astype(str) == expected.astype(str)).all()
    else:
        expected = expected.astype(float)
        result = result.reshape(expected.shape) if result.size == expected.size else result
        same = result.shape == expected.shape and np.allclose(result, expected, atol=1e-4, rtol=1e-4, equal_nan=True)
    if not same:
        WRONG.append((str(model), kind))


def missing(value):
    return value is None or type(value).__name__ == "NAType" or isinstance(value, float) and np.isnan(value)


def refuses(model, rows, kind):
    """For a value that the library refuses the graph has to give an error, too."""
    TRIED[0] += 1
    try:
        session(model, kind, rows.shape[1]).run(None, {"X": rows.astype(TYPES[kind][1])})
        WRONG.append((str(model), kind, "no error"))
    except Exception:  # noqa: BLE001 - the engine's own errors have no common type.
        pass


def gaps(random, values, gap=np.nan, share=0.2):
    values = values.copy()
    values[random.random(values.shape) < share] = gap
    return values


def imputers(random):
    rows = gaps(random, random.normal(size=(ROWS, 4)).round(2))
    rows[:, 3] = 1.0
    for indicator in (False, True):
        for options in (
            {"strategy": "mean"},
            {"strategy": "median"},
            {"strategy": "most_frequent"},
            {"strategy": "constant", "fill_value": -1.5},
            {"strategy": "constant"},
        ):
            empty = rows.copy()
            empty[:, 1] = np.nan
            for kind in ("f32", "f64"):
                check(SimpleImputer(add_indicator=indicator, **options).fit(rows), rows, kind)
                for keep in (False, True):
                    imputer = SimpleImputer(add_indicator=indicator, keep_empty_features=keep, **options)
                    check(imputer.fit(empty), empty, kind)
        for number in (0, -1, 2.0):
            numbers = random.integers(0, 4, size=(ROWS, 3)).astype(float)
            numbers[numbers == 1] = number
            imputer = SimpleImputer(missing_values=number, strategy="most_frequent", add_indicator=indicator)
            check(imputer.fit(numbers), numbers, "f32")
            check(imputer.fit(numbers.astype(int)), numbers.astype(int), "i64")
        words = random.choice(["a", "b", "ü c"], size=(ROWS, 3)).astype(object)
        for gap in (np.nan, None):
            texts = gaps(random, words, gap)
            for strategy in ("most_frequent", "constant"):
                imputer = SimpleImputer(
                    missing_values=gap, strategy=strategy, fill_value="?", add_indicator=indicator
                )
                check(imputer.fit(texts), texts, "text")
                encoded = make_pipeline(imputer, OneHotEncoder(handle_unknown="ignore"))
                check(encoded.fit(texts), texts, "text")
        check(SimpleImputer(missing_values="b", strategy="constant", fill_value="zz").fit(words), words, "text")
    for features in ("all", "missing-only"):
        check(MissingIndicator(features=features, error_on_new=False).fit(rows), rows, "f32")
    check(make_union(SimpleImputer(), MissingIndicator()).fit(rows), rows, "f32")


def encoders(random):
    words = random.choice(["a", "b", "ü c", "d"], size=(ROWS, 2)).astype(object)
    numbers = random.choice([0.0, 1.0, 2.5, 7.0, -3.0], size=(ROWS, 2))
    one_hot = [
        {"handle_unknown": "ignore"},
        {},
        {"drop": "first"},
        {"drop": "first", "handle_unknown": "ignore"},
        {"drop": "if_binary"},
        {"handle_unknown": "infrequent_if_exist", "min_frequency": 45},
        {"handle_unknown": "ignore", "max_categories": 2, "drop": "first"},
        {"handle_unknown": "ignore", "dtype": int},
    ]
    ordinal = [
        {},
        {"encoded_missing_value": -2},
        {"handle_unknown": "use_encoded_value", "unknown_value": -1},
        {"handle_unknown": "use_encoded_value", "unknown_value": np.nan, "encoded_missing_value": -5},
        {"handle_unknown": "use_encoded_value", "unknown_value": -1, "encoded_missing_value": -5, "dtype": int},
        {"handle_unknown": "use_encoded_value", "unknown_value": 99, "min_frequency": 50},
    ]
    target = random.random(ROWS)
    forms = [("text", gaps(random, words, gap), "new") for gap in (np.nan, None)] + [("text", words, "new")]
    forms += [("f32", numbers, 7.9), ("f32", gaps(random, numbers), 7.9)]
    for kind, rows, stranger in forms:
        for encoder in [OneHotEncoder(**one) for one in one_hot] + [OrdinalEncoder(**one) for one in ordinal]:
            encoder.fit(rows)
            asked = rows.copy()
            if encoder.handle_unknown != "error":
                asked[5] = stranger
            elif kind == "f32":
                unknown = rows.copy()
                unknown[5] = stranger
                refuses(encoder, unknown, kind)
            # A missing encoded value that is whole, as the library wants it for whole numbers.
            check(encoder, asked, kind)
        check(TargetEncoder(target_type="continuous").fit(rows, target), rows, kind)
    whole = random.integers(0, 5, size=(ROWS, 2))
    for options in ({"handle_unknown": "ignore"}, {"drop": "first"}, {"min_frequency": 45, "handle_unknown": "ignore"}):
        check(OneHotEncoder(**options).fit(whole), whole, "i64")


def trees(random):
    rows = gaps(random, random.normal(size=(ROWS, 4)).round(2))
    target = np.nan_to_num(rows, nan=0.7).sum(axis=1) + random.normal(size=ROWS)
    few = {"random_state": 0}
    boosted = {"n_estimators": 5, "n_jobs": 1}
    classifiers = [
        tree.DecisionTreeClassifier(max_depth=6, **few),
        tree.ExtraTreeClassifier(**few),
        ensemble.RandomForestClassifier(20, **few),
        ensemble.ExtraTreesClassifier(20, **few),
        ensemble.HistGradientBoostingClassifier(max_iter=10, min_samples_leaf=5, **few),
        ensemble.BaggingClassifier(tree.DecisionTreeClassifier(), 5, **few),
        ensemble.StackingClassifier([("forest", ensemble.RandomForestClassifier(5, **few))]),
        xgboost.XGBClassifier(**boosted),
        LGBMClassifier(verbose=-1, **boosted),
    ]
    regressors = [
        tree.DecisionTreeRegressor(max_depth=6, **few),
        tree.ExtraTreeRegressor(**few),
        ensemble.RandomForestRegressor(20, **few),
        ensemble.ExtraTreesRegressor(20, **few),
        ensemble.HistGradientBoostingRegressor(max_iter=10, min_samples_leaf=5, **few),
        ensemble.BaggingRegressor(tree.DecisionTreeRegressor(), 5, **few),
        xgboost.XGBRegressor(**boosted),
        LGBMRegressor(verbose=-1, **boosted),
    ]
    labels = np.digitize(target, [-0.5, 0.5])
    for model, answers in [(one, labels) for one in classifiers] + [(one, target) for one in regressors]:
        check(model.fit(rows, answers), rows, "f32")
        check(make_pipeline(StandardScaler(), model).fit(rows, answers), rows, "f64")
    # Without gaps in training a missing number goes where most rows went.
    whole = np.nan_to_num(rows, nan=0.3)
    check(ensemble.RandomForestClassifier(20, **few).fit(whole, labels), rows, "f32")
    check(ensemble.RandomForestRegressor(7, **few).fit(rows, np.stack([target, labels], axis=1)), rows, "f32")


def others(random):
    numbers = random.normal(size=(ROWS, 2))
    labels = (numbers.sum(axis=1) + random.normal(size=ROWS) > 0).astype(int)
    for answers in (labels, np.where(labels, "yes", "no")):
        tuned = TunedThresholdClassifierCV(linear_model.LogisticRegression(), scoring="accuracy").fit(numbers, answers)
        tuned.best_threshold_ = 0.8
        given = session(tuned, "f32", 2).run(None, {"X": numbers.astype(np.float32)})[0]
        TRIED[0] += 1
        if (given != tuned.predict(numbers)).any():
            WRONG.append((str(tuned), "threshold"))
    words = ["äpfel", "öl", "brot", "λόγος", "straße"]
    texts = [" ".join(random.choice(words, 5)) for _ in range(ROWS)]
    reader = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), ensemble.RandomForestClassifier(9, random_state=0))
    reader.fit(texts, labels)
    asked = [one.upper() if index % 3 else one.title() for index, one in enumerate(texts) if "SS" not in one.upper()]
    precision.is_needed(reader)
    TRIED[0] += 1
    options = {"tokenexp": r"[\p{L}\p{N}_][\p{L}\p{N}_]+", "locale": "C"}
    graph = convert_sklearn(
        reader,
        initial_types=[("X", StringTensorType([None]))],
        target_opset={"": 18, "ai.onnx.ml": 3},
        options={id(reader[-1]): {"zipmap": False}, id(reader[0]): options},
    )
    given = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    found = given.run(None, {"X": np.array(asked, dtype=object)})[1]
    if not np.allclose(found, reader.predict_proba(asked), atol=1e-4):
        WRONG.append((str(reader), "capitals"))


main()
