"""Trains the models of the conversion's tests, and writes what each library says of rows that it has not seen.

Owns the models, all small and with fixed seeds, and the form of a case: `NAME.pkl` or `NAME.joblib`; `NAME.csv`, `.npy`
or `.json` with rows for `--sample`, for most; `NAME.case.json` with the call that a host is asked and the answers that it
has to give. Must not know how anything is converted.

    python3 train.py FOLDER
"""

import json
import pickle
import re
import sys
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn import datasets, ensemble, linear_model, naive_bayes, neighbors, neural_network, preprocessing, svm, tree
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBClassifier, XGBRegressor

FOLDER = Path(sys.argv[1])
ROWS = 60


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, estimator in matrix_models().items():
        matrix_case(name, *estimator)
    column_cases()
    text_cases()
    refused_cases()


def matrix_models():
    """Models of one matrix: the estimator, its data, and the file's form for `--sample`, if any."""
    flowers = datasets.load_iris(return_X_y=True)
    named = (flowers[0], np.array(["setosa", "versicolor", "virginica"])[flowers[1]])
    tumours = datasets.load_breast_cancer(return_X_y=True)
    digits = datasets.load_digits(return_X_y=True)
    points, values = datasets.make_regression(400, 8, noise=3.0, random_state=7)
    numbers = (points, values / 50)
    scaled = lambda estimator: make_pipeline(StandardScaler(), estimator)
    return {
        "logreg-binary": (scaled(linear_model.LogisticRegression()), tumours, "csv"),
        "logreg-multinomial": (linear_model.LogisticRegression(max_iter=2000), flowers, "npy"),
        "logreg-texts": (linear_model.LogisticRegression(max_iter=2000), named, None),
        "linear": (linear_model.LinearRegression(), numbers, "csv"),
        "ridge": (linear_model.Ridge(), numbers, None),
        "tree": (tree.DecisionTreeClassifier(max_depth=5, random_state=0), tumours, "csv"),
        "forest": (ensemble.RandomForestClassifier(25, random_state=0), digits, "npy"),
        "forest-regressor": (ensemble.RandomForestRegressor(20, random_state=0), numbers, None),
        "extra-trees": (ensemble.ExtraTreesClassifier(20, random_state=0), named, "csv"),
        "boosting": (ensemble.GradientBoostingClassifier(n_estimators=20, random_state=0), flowers, "csv"),
        "boosting-regressor": (ensemble.GradientBoostingRegressor(n_estimators=20, random_state=0), numbers, "json"),
        "adaboost": (ensemble.AdaBoostClassifier(n_estimators=15, random_state=0), tumours, "csv"),
        "knn": (scaled(neighbors.KNeighborsClassifier(7)), tumours, "csv"),
        "bayes": (naive_bayes.GaussianNB(), flowers, "csv"),
        "mlp": (scaled(neural_network.MLPClassifier((16,), max_iter=80, random_state=0)), flowers, "csv"),
        "svc": (scaled(svm.SVC(probability=True, random_state=0)), flowers, "csv"),
        "linear-svc": (scaled(svm.LinearSVC(random_state=0)), flowers, "csv"),
        "linear-svc-binary": (scaled(svm.LinearSVC(random_state=0)), tumours, "csv"),
        "svr": (scaled(svm.SVR()), numbers, "csv"),
        "pca-svc": (make_pipeline(StandardScaler(), PCA(12, random_state=0), svm.SVC(random_state=0)), digits, "npy"),
        "isolation": (ensemble.IsolationForest(n_estimators=30, random_state=0), tumours, "csv"),
        "calibrated": (CalibratedClassifierCV(svm.LinearSVC(random_state=0), cv=3), flowers, "csv"),
        "voting": (
            ensemble.VotingClassifier(
                [("line", scaled(linear_model.LogisticRegression())), ("bayes", naive_bayes.GaussianNB())],
                voting="soft",
            ),
            flowers,
            "csv",
        ),
        "stacking": (
            ensemble.StackingRegressor(
                [("ridge", linear_model.Ridge()), ("tree", tree.DecisionTreeRegressor(max_depth=4, random_state=0))]
            ),
            numbers,
            "npy",
        ),
        "grid": (
            GridSearchCV(scaled(linear_model.LogisticRegression()), {"logisticregression__C": [0.1, 1]}, cv=3),
            tumours,
            "csv",
        ),
        "histogram": (ensemble.HistGradientBoostingClassifier(max_iter=15, random_state=0), flowers, "csv"),
        "histogram-regressor": (ensemble.HistGradientBoostingRegressor(max_iter=15, random_state=0), numbers, "npy"),
        "lda": (LinearDiscriminantAnalysis(), flowers, "csv"),
        "kmeans": (KMeans(3, n_init=2, random_state=0), flowers, "csv"),
        "imputed": (make_pipeline(SimpleImputer(), linear_model.Ridge()), numbers, "csv"),
        "xgb": (XGBClassifier(n_estimators=15, max_depth=3, n_jobs=1), flowers, "csv"),
        "xgb-regressor": (XGBRegressor(n_estimators=15, max_depth=3, n_jobs=1), numbers, "npy"),
        "lgbm": (LGBMClassifier(n_estimators=15, num_leaves=7, n_jobs=1, verbose=-1), named, "csv"),
        "lgbm-binary": (LGBMClassifier(n_estimators=15, num_leaves=7, n_jobs=1, verbose=-1), tumours, "csv"),
        "lgbm-regressor": (LGBMRegressor(n_estimators=15, num_leaves=7, n_jobs=1, verbose=-1), numbers, None),
    }


def matrix_case(name, estimator, data, form):
    """Fits, and keeps rows that were not fitted on."""
    rows, labels = data
    held = np.random.default_rng(3).permutation(len(rows))
    held, used = held[:ROWS], held[ROWS : ROWS + 400]
    if form == "csv":
        frame = pd.DataFrame(rows, columns=[f"c{index}" for index in range(rows.shape[1])])
        estimator.fit(frame.iloc[used], labels[used])
        unseen = frame.iloc[held]
        unseen.assign(target=labels[held]).to_csv(FOLDER / f"{name}.csv", index=False)
    else:
        estimator.fit(rows[used], labels[used])
        unseen = rows[held]
    if form == "npy":
        np.save(FOLDER / f"{name}.npy", unseen)
    if form == "json":
        (FOLDER / f"{name}.json").write_text(json.dumps({"data": unseen.tolist()}))
    write(name, estimator, unseen, {"X": np.asarray(unseen).tolist()}, form)


def column_cases():
    """Tables with texts: a ColumnTransformer that takes its columns by name."""
    random, count = np.random.default_rng(5), 400
    frame = pd.DataFrame(
        {
            "age": random.integers(18, 80, count),
            "city": random.choice(["Bern", "Genève", "Zürich", "Chur"], count),
            "plan": random.choice(["free", "paid"], count),
            "income": random.normal(60, 20, count).round(2),
        }
    )
    noise = random.normal(0, 8, count)
    pays = (frame["income"] + noise + 15 * (frame["city"] == "Bern") - 10 * (frame["plan"] == "free") > 60).to_numpy()
    steps = lambda: ColumnTransformer(
        [
            ("texts", preprocessing.OneHotEncoder(handle_unknown="ignore"), ["city", "plan"]),
            ("numbers", StandardScaler(), ["age", "income"]),
        ]
    )
    yes = np.where(pays, "yes", "no")
    models = {
        "columns": (make_pipeline(steps(), linear_model.LogisticRegression()), yes),
        "columns-xgb": (
            make_pipeline(steps(), XGBClassifier(n_estimators=10, max_depth=3, n_jobs=1)),
            pays.astype(int),
        ),
        "columns-lgbm": (
            make_pipeline(steps(), LGBMRegressor(n_estimators=10, n_jobs=1, verbose=-1)),
            frame["income"] / 10 + pays,
        ),
    }
    for name, (estimator, labels) in models.items():
        estimator.fit(frame.iloc[ROWS:], labels[ROWS:])
        unseen = frame.iloc[:ROWS].copy()
        unseen.loc[unseen.index[0], "city"] = "Lugano"
        if name != "columns-lgbm":
            unseen.to_csv(FOLDER / f"{name}.csv", index=False)
        call = {column: [[value] for value in unseen[column].tolist()] for column in unseen.columns}
        write(name, estimator, unseen, call, "csv" if name != "columns-lgbm" else None)


ANIMALS = """the cat sat on the mat|a dog barked at the cat|horses and cows eat grass|birds fly over the river
Der Hund läuft über die Straße|the fish swims in the pond|my cat likes fish and milk|the old dog sleeps"""
MONEY = """stocks fell on Monday|the bank raised its rates|prices rose by 42 percent|she paid 100 francs for it
the market closed higher|interest on the loan is due|his bonus was paid in stocks|a weak currency and rising prices"""
TEXTS = [(text, "animal") for text in re.split(r"[|\n]", ANIMALS)] + [
    (text, "money") for text in re.split(r"[|\n]", MONEY)
]


def text_cases():
    """Pipelines that take a list of texts."""
    texts, labels = [list(part) for part in zip(*TEXTS)]
    unseen = ["The CAT, and the dog!", "Rates rose", "", "über die bank", "nothing_known here x", "fish-market: 42"]
    unseen += texts[::3]
    models = {
        "tfidf": make_pipeline(TfidfVectorizer(), linear_model.LogisticRegression()),
        "counts": make_pipeline(CountVectorizer(ngram_range=(1, 2)), naive_bayes.MultinomialNB()),
    }
    for name, estimator in models.items():
        estimator.fit(texts, labels)
        (FOLDER / f"{name}.json").write_text(json.dumps({"text": unseen}))
        write(name, estimator, unseen, {"text": unseen}, "json" if name == "tfidf" else None)


class Doubling(TransformerMixin, BaseEstimator):
    """A class of somebody's own."""

    def fit(self, rows, labels=None):
        self.fitted_ = True
        return self

    def transform(self, rows):
        return rows * 2


def double(rows):
    """A function of somebody's own."""
    return rows * 2


def refused_cases():
    """What cannot be converted; the tests know what is said of each."""
    rows, labels = datasets.load_iris(return_X_y=True)
    texts, kinds = [list(part) for part in zip(*TEXTS)]
    line = linear_model.LogisticRegression(max_iter=500)
    keep("spline", make_pipeline(preprocessing.SplineTransformer(), line).fit(rows, labels))
    keep("function", make_pipeline(preprocessing.FunctionTransformer(np.log1p), line).fit(rows, labels))
    keep("own-class", make_pipeline(Doubling(), line).fit(rows, labels))
    keep("characters", make_pipeline(TfidfVectorizer(analyzer="char_wb"), line).fit(texts, kinds))
    keep("unfitted", linear_model.LogisticRegression())
    keep("dictionary", {"model": line.fit(rows, labels), "threshold": 0.5})
    keep(
        "multi-output",
        ensemble.RandomForestClassifier(3, random_state=0).fit(rows, np.stack([labels, labels % 2], axis=1)),
    )
    keep("booster", XGBClassifier(n_estimators=2, n_jobs=1).fit(rows, labels).get_booster())


def write(name, estimator, unseen, call, form):
    """The pickle and the case."""
    keep(name, estimator, joblib_too=form == "npy")
    answers = {}
    last = estimator[-1] if hasattr(estimator, "steps") else estimator
    methods = {"label": "predict", "probabilities": "predict_proba"}
    if isinstance(last, ensemble.IsolationForest):
        methods = {"label": "predict", "scores": "decision_function", "score_samples": "score_samples"}
    elif isinstance(last, KMeans):
        methods = {"label": "predict", "scores": "transform"}
    elif not hasattr(last, "classes_"):
        methods = {"variable": "predict"}
    elif not hasattr(last, "predict_proba"):
        methods = {"label": "predict", "scores": "decision_function"}
    for output, method in methods.items():
        answers[output] = np.asarray(getattr(estimator, method)(unseen)).tolist()
    case = {"call": call, "answers": answers, "sample": form and f"{name}.{form}"}
    (FOLDER / f"{name}.case.json").write_text(json.dumps(case))


def keep(name, model, joblib_too=False):
    """joblib's form for some, pickle's for the others."""
    if joblib_too:
        joblib.dump(model, FOLDER / f"{name}.joblib", compress=3)
    else:
        with open(FOLDER / f"{name}.pkl", "wb") as file:
            pickle.dump(model, file)


main()
