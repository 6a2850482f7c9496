"""Trains models of many kinds natively, and writes a project for each: script, pickle, manifest, and native answers.

Usage: kinds.py FOLDER [NAME ...], which trains all kinds if no name is given. The file cases.json of a project is a list of {"body": text, "answer": value}; sample.json is the first of
them for `package.sample`. Nothing is random, and the data sets are generated or come with scikit-learn.
"""
import json
import sys
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_diabetes, load_digits
from sklearn.decomposition import PCA
from sklearn.ensemble import (GradientBoostingClassifier, HistGradientBoostingClassifier, IsolationForest, RandomForestClassifier,
                              StackingClassifier, VotingClassifier)
from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, PolynomialFeatures, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

import native

HEAD = """\
import json
import os

import joblib
import numpy as np
import pandas as pd
from inference_schema.parameter_types.numpy_parameter_type import NumpyParameterType
from inference_schema.parameter_types.pandas_parameter_type import PandasParameterType
from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType
from inference_schema.schema_decorators import input_schema, output_schema


def init():
    global model
    model = joblib.load(os.path.join(os.getenv("AZUREML_MODEL_DIR"), "model.pkl"))


def answer(data):
    found = {"label": np.asarray(model.predict(data)).tolist()}
    for name in ("predict_proba", "decision_function", "transform"):
        if hasattr(model, name):
            found[name] = np.asarray(getattr(model, name)(data)).tolist()
    return found


"""
PLAIN = HEAD + """\
def run(raw_data):
    return answer(np.array(json.loads(raw_data)["data"]))
"""
ARRAY = HEAD + """\
@input_schema("data", NumpyParameterType(np.zeros((1, %d))))
def run(data):
    return answer(data)
"""
FRAME = HEAD + """\
sample = pd.DataFrame({"age": [41.0], "income": [5.0], "city": ["Bern"], "plan": ["a"]})


@input_schema("data", PandasParameterType(sample))
def run(data):
    return answer(data)
"""
TEXTS = HEAD + """\
@input_schema("data", StandardPythonParameterType(["a text"]))
def run(data):
    return answer(data)
"""


WANTED = sys.argv[2:]


def is_wanted(name):
    return not WANTED or name in WANTED


def project(folder, name, script, model, inputs):
    """Writes one project. `inputs` are the values of the key `data`, a request each."""
    own = folder / name
    (own / "model").mkdir(parents=True)
    joblib.dump(model, own / "model/model.pkl")
    (own / "score.py").write_text(script)
    (own / "requirements.txt").write_text("inference-schema==1.8\n")
    (own / "scorebox.toml").write_text(
        f'[scorer]\nname = "{name}"\nscript = "score.py"\nrequirements = "requirements.txt"\nmodel = "model"\n\n'
        '[limits]\nmemory = "512MiB"\ndeadline = "30s"\n\n[package]\nsample = "sample.json"\n'
    )
    scorer = native.prepare(own)
    cases = []
    for data in inputs:
        body = json.dumps({"data": data})
        cases.append({"body": body, **native.answer(scorer, body)})
        assert "answer" in cases[-1], (name, cases[-1].get("raised"))
    first = {"inputs": json.loads(cases[0]["body"]), "outputs": cases[0]["answer"], "tolerance": 1e-12}
    (own / "sample.json").write_text(json.dumps(first))
    (own / "cases.json").write_text(json.dumps(cases))


def digits(folder):
    """Classifiers of 64 pixels, a request for many rows and one for a single row."""
    X, y = load_digits(return_X_y=True)
    train, rows = (X[:800], y[:800]), [X[800:1000].tolist(), X[1000:1001].tolist()]
    forest = RandomForestClassifier(50, random_state=0)
    kinds = {
        "logistic": LogisticRegression(max_iter=500),
        "forest": forest,
        "vectors": make_pipeline(StandardScaler(), SVC(random_state=0)),
        "boosting": GradientBoostingClassifier(n_estimators=20, random_state=0),
        "histograms": HistGradientBoostingClassifier(max_iter=20, random_state=0),
        "network": make_pipeline(StandardScaler(), MLPClassifier((32,), max_iter=200, random_state=0)),
        "bayes": GaussianNB(),
        "neighbours": KNeighborsClassifier(3, algorithm="brute"),
        "components": make_pipeline(StandardScaler(), PCA(10, random_state=0), LogisticRegression(max_iter=500)),
        "voting": VotingClassifier([("a", LogisticRegression(max_iter=500)), ("b", GaussianNB())], voting="soft"),
        "stacking": StackingClassifier([("a", GaussianNB()), ("b", DecisionTreeClassifier(random_state=0))], cv=3),
        "isolation": IsolationForest(n_estimators=30, random_state=0),
        "clusters": KMeans(n_clusters=10, n_init=1, random_state=0),
    }
    for place, (name, model) in enumerate(kinds.items()):
        script = PLAIN if place % 2 else ARRAY % 64
        if is_wanted(name):
            project(folder, name, script, model.fit(*train), rows)
    names = np.array(["even", "odd"])[y % 2]
    if is_wanted("words"):
        project(folder, "words", PLAIN, DecisionTreeClassifier(random_state=0).fit(X[:800], names[:800]), rows)


def others(folder):
    """A regression, a table of pandas with missing values, and texts."""
    if is_wanted("regression"):
        X, y = load_diabetes(return_X_y=True)
        ridge = make_pipeline(PolynomialFeatures(2), StandardScaler(), Ridge()).fit(X[:300], y[:300])
        project(folder, "regression", ARRAY % 10, ridge, [X[300:].tolist()])

    r, n = np.random.default_rng(0), 400
    frame = pd.DataFrame({
        "age": r.integers(18, 90, n).astype(float),
        "income": r.normal(40000, 9000, n),
        "city": r.choice(["Basel", "Bern", "Chur", "Zürich"], n),
        "plan": r.choice(["a", "b", "c"], n),
    })
    frame.loc[r.choice(n, 30, replace=False), "age"] = np.nan
    target = ((frame.income > 41000) ^ (frame.city == "Bern")).astype(int).to_numpy()
    columns = ColumnTransformer([
        ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), ["age", "income"]),
        ("words", OneHotEncoder(handle_unknown="ignore"), ["city", "plan"]),
    ])
    if is_wanted("table"):
        table = make_pipeline(columns, LogisticRegression()).fit(frame, target)
        rows = json.loads(frame.to_json(orient="records"))
        project(folder, "table", FRAME, table, [rows, [{**rows[0], "city": "Genève"}]])

    words = "good bad awful great film plot actor Äpfel the a dull nice boring superb".split()
    texts = [" ".join(r.choice(words, 12)) for _ in range(300)]
    liked = np.array([sum(t.count(w) for w in ("good", "great", "nice", "superb")) > 3 for t in texts])
    for name, vectors in (("frequencies", TfidfVectorizer(ngram_range=(1, 2))), ("hashes", HashingVectorizer(n_features=256))):
        if is_wanted(name):
            model = make_pipeline(vectors, LogisticRegression()).fit(texts, liked)
            project(folder, name, TEXTS, model, [texts[:100], ["Äpfel und Birnen 你好"]])


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    digits(folder)
    others(folder)
