"""Cases of `fixes.py` where a part of the model is at fault, or what it was asked.

Owns the models and their fixes. Must not know how a case is kept.
"""

import numpy as np
import pandas as pd
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn import datasets, ensemble, linear_model, multioutput, neighbors, preprocessing
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
from sklearn.pipeline import make_pipeline
from xgboost import XGBClassifier, XGBRegressor

ROWS, LABELS = datasets.load_iris(return_X_y=True)
TUMOURS = datasets.load_breast_cancer(return_X_y=True)
TEXTS = ["the cat sat on the mat", "a dog barked", "stocks fell on monday", "the bank raised its rates"] * 5
KINDS = ["animal", "animal", "money", "money"] * 5


def line():
    return linear_model.LogisticRegression(max_iter=500)


class Own(TransformerMixin, BaseEstimator):
    """A class that is not there when the model is loaded."""

    def fit(self, rows, labels=None):
        self.fitted_ = True
        return self

    def transform(self, rows):
        return rows


def fitted(*steps):
    return make_pipeline(*steps, line()).fit(ROWS, LABELS)


def texts(reader, last=None):
    return make_pipeline(reader, last or linear_model.LogisticRegression()).fit(TEXTS, KINDS)


def boosted(**options):
    return XGBClassifier(n_estimators=8, max_depth=3, n_jobs=1, **options)


def refused():
    """Models with a part that has no place in a graph."""
    word = TfidfVectorizer()
    scaled = make_pipeline(preprocessing.StandardScaler(), line())
    tune = lambda method: TunedThresholdClassifierCV(scaled, cv=3, response_method=method).fit(*TUMOURS)
    chosen = FixedThresholdClassifier(linear_model.LogisticRegression(max_iter=5000), threshold=0.2).fit(*TUMOURS)
    target = TransformedTargetRegressor(linear_model.LinearRegression(), func=np.log1p, inverse_func=np.expm1)
    target.fit(ROWS, LABELS)
    both = np.stack([LABELS, LABELS % 2], axis=1)
    several = ensemble.RandomForestClassifier(3, random_state=0).fit(ROWS, both)
    values = np.stack([ROWS[:, 0], ROWS[:, 1] * 2], axis=1)
    targets = XGBRegressor(n_estimators=3, n_jobs=1).fit(ROWS[:, 2:], values)
    each = multioutput.MultiOutputRegressor(XGBRegressor(n_estimators=3, n_jobs=1)).fit(ROWS[:, 2:], values)
    return {
        "function": (
            fitted(preprocessing.FunctionTransformer(np.log1p)),
            fitted(),
            ["FunctionTransformer", "log1p"],
            ["leave it out"],
        ),
        "spline": (fitted(preprocessing.SplineTransformer()), fitted(), ["SplineTransformer"], ["leave it out"]),
        "own-class": (fitted(Own()), fitted(), ["fixes_models"], ["leave that step out"]),
        "centroid": (neighbors.NearestCentroid().fit(ROWS, LABELS), fitted(), ["NearestCentroid"], ["in its place"]),
        "tuned-threshold": (
            *(
                tune("decision_function"),
                tune("predict_proba"),
                ["a threshold of `decision_function`"],
                ["'predict_proba'"],
            ),
        ),
        "fixed-threshold": (
            chosen,
            chosen.estimator_,
            ["decides by the threshold 0.2"],
            ["its `estimator_`", "1", "0.2"],
        ),
        "target": (target, target.regressor_, ["TransformedTargetRegressor"], ["its `regressor_`"]),
        "unfitted": (line(), fitted(), ["not fitted"], ["after `fit`"]),
        "several-questions": (
            *(several, ensemble.RandomForestClassifier(3, random_state=0).fit(ROWS, LABELS)),
            *(["several questions"], ["one classifier for each"]),
        ),
        "several-targets": (targets, each, ["XGBRegressor", "several targets"], ["MultiOutputRegressor"]),
        "several-quantiles": (
            *(
                XGBRegressor(objective="reg:quantileerror", quantile_alpha=[0.1, 0.9], n_estimators=3).fit(
                    ROWS, LABELS
                ),
            ),
            *(XGBRegressor(objective="reg:quantileerror", quantile_alpha=[0.1], n_estimators=3).fit(ROWS, LABELS),),
            *(["several targets"], ["one model for each"]),
        ),
        "several-labels": (
            *(
                boosted().fit(ROWS, np.stack([LABELS > 0, LABELS > 1], axis=1).astype(int)),
                boosted().fit(ROWS, LABELS > 0),
            ),
            *(["XGBClassifier", "several targets"], ["one model for each"]),
        ),
        "dart": (
            boosted(booster="dart").fit(ROWS, LABELS),
            boosted().fit(ROWS, LABELS),
            ["`dart`"],
            ["booster='gbtree'"],
        ),
        "hashing": (texts(HashingVectorizer()), texts(CountVectorizer()), ["HashingVectorizer"], ["CountVectorizer"]),
        "characters": (texts(TfidfVectorizer(analyzer="char_wb")), texts(word), ["'char_wb'"], ["analyzer='word'"]),
        "accents": (
            *(texts(TfidfVectorizer(strip_accents="unicode")), texts(word)),
            *(["strip accents"], ["strip_accents=None"]),
        ),
        "tokenizer": (texts(TfidfVectorizer(tokenizer=str.split)), texts(word), ["tokenizer"], ["tokenizer=None"]),
        "preprocessor": (
            *(texts(TfidfVectorizer(preprocessor=str.lower)), texts(word), ["preprocessor"], ["preprocessor=None"]),
        ),
        "stop-words": (
            *(
                texts(TfidfVectorizer(stop_words=["the"], ngram_range=(1, 2))),
                texts(TfidfVectorizer(ngram_range=(1, 2))),
            ),
            *(["stop words"], ["stop_words=None"]),
        ),
        "sublinear": (texts(TfidfVectorizer(sublinear_tf=True)), texts(word), ["sublinear_tf"], ["fit it without"]),
    }


def tables():
    """Models of tables, and of rows with zeros."""
    random = np.random.default_rng(1)
    count = 200
    frame = pd.DataFrame({"city": random.choice(["Bern", "Chur", "Genf"], count), "age": random.normal(40, 9, count)})
    kinds = (frame["age"] > 40) ^ (frame["city"] == "Bern")
    coded = frame.assign(city=frame["city"].astype("category"))
    encode = ColumnTransformer([("city", preprocessing.OneHotEncoder(), ["city"])], remainder="passthrough")
    light = lambda: LGBMClassifier(n_estimators=5, n_jobs=1, verbose=-1)
    days = pd.DataFrame({"day": pd.to_datetime("2024-01-01") + pd.to_timedelta(np.arange(count) % 5, unit="D")})
    as_numbers = pd.DataFrame({"day": days["day"].astype("datetime64[s]").astype("int64") // 86400})
    dated = lambda rows: make_pipeline(preprocessing.OneHotEncoder(handle_unknown="ignore"), line()).fit(rows, kinds)
    zeros = np.where(random.random((count, 4)) < 0.5, 0.0, random.normal(0, 1, (count, 4)))
    gaps = np.where(zeros == 0, np.nan, zeros)
    return {
        "pandas-categories": (
            *(light().fit(coded, kinds), make_pipeline(encode, light()).fit(frame, kinds)),
            *(["categories of pandas"], ["OneHotEncoder"]),
        ),
        "xgboost-categories": (
            *(boosted(enable_categorical=True).fit(coded, kinds), make_pipeline(encode, boosted()).fit(frame, kinds)),
            *(["categories of pandas"], ["OneHotEncoder"]),
        ),
        "missing-zero": (
            *(
                boosted(missing=0).fit(zeros, kinds),
                boosted().fit(gaps, kinds),
                ["takes 0 for a missing"],
                ["missing=NaN"],
            ),
        ),
        "dates": (dated(days), dated(as_numbers), ["dates as categories"], ["astype('int64') // 86400"]),
        "zero-as-missing": (
            light().set_params(zero_as_missing=True).fit(zeros, kinds),
            light().fit(gaps, kinds),
            *(["zero_as_missing"], ["NaN in place of the zeros"]),
        ),
        "linear-tree": (
            LGBMRegressor(n_estimators=5, n_jobs=1, verbose=-1, linear_tree=True).fit(zeros, kinds),
            LGBMRegressor(n_estimators=9, n_jobs=1, verbose=-1).fit(zeros, kinds),
            *(["LGBMRegressor", "linear_tree"], ["without linear_tree"]),
        ),
        "several-classes": (
            multioutput.MultiOutputClassifier(line()).fit(zeros, np.stack([kinds, ~kinds], axis=1)),
            line().fit(zeros, kinds),
            *(["MultiOutputClassifier"], ["one classifier for each"]),
        ),
    }


def cases():
    keys = ("refused", "fixed", "problem", "fix")
    found = {name: dict(zip(keys, case)) for name, case in (refused() | tables()).items()}
    points, values = datasets.make_regression(200, 3, random_state=7)
    points = points * 1e-3 + 1e6
    far, rows = linear_model.LinearRegression().fit(points, values), pd.DataFrame(points, columns=list("abc"))
    differs = {"problem": ["does not answer as the library does"], "code": 1}
    found["single-precision"] = differs | {
        **{"refused": far, "fixed": far, "fix": ["--inputs 'X=f64[3]'"]},
        **{"arguments": ["--inputs", "X=f32[3]"], "more": ["--inputs", "X=f64[3]"]},
        "sample": (rows, rows),
    }
    found["allow-differences"] = differs | {
        **{"refused": far, "fixed": far, "fix": ["--allow-differences writes the graph"], "sample": (rows, rows)},
        **{"arguments": ["--inputs", "X=f32[3]"], "more": ["--inputs", "X=f32[3]", "--allow-differences"]},
    }
    identifiers = pd.DataFrame({"id": 2**40 + np.arange(300.0), "size": np.arange(300.0) % 7})
    split = (identifiers["id"] - 2**40) % 50 + identifiers["size"]
    number = lambda: LGBMRegressor(n_estimators=30, n_jobs=1, verbose=-1, min_child_samples=1)
    near = identifiers.assign(id=identifiers["id"] - 2**40)
    found["large-identifiers"] = differs | {
        **{"refused": number().fit(identifiers, split), "fixed": number().fit(near, split)},
        **{"fix": ["subtract an offset from `id`"], "sample": (identifiers, near)},
    }
    found["width"] = {
        **{"refused": fitted(), "fixed": fitted(), "problem": ["takes 4 columns"], "fix": ["X=f32[4]"]},
        **{"arguments": ["--inputs", "X=f32[3]"], "more": ["--inputs", "X=f32[4]"]},
    }
    frame = pd.DataFrame(ROWS, columns=list("abcd"))
    named = make_pipeline(preprocessing.StandardScaler(), line()).fit(frame, LABELS)
    found["sample-columns"] = {
        **{"refused": named, "fixed": named, "problem": ["there is no column 'd'"], "fix": ["fitted with"]},
        "sample": (frame.drop(columns="d"), frame),
    }
    return found
