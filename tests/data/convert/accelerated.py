"""Trains two models for a script whose models run as graphs, and writes what their libraries say.

    python3 accelerated.py FOLDER

Writes `trees.pkl` (XGBoost, which the sandbox does not have), `linear.pkl` (scikit-learn), and `cases.json` with rows and, for
each model, the labels and the probabilities.
"""

import json
import pickle
import sys
from pathlib import Path

from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from xgboost import XGBClassifier


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    X, y = load_iris(return_X_y=True)
    rows = X[::3]
    cases = {"rows": rows.tolist()}
    models = {"trees": XGBClassifier(n_estimators=5, max_depth=3), "linear": LogisticRegression(max_iter=2000)}
    for name, model in models.items():
        model.fit(X[1::2], y[1::2])
        (folder / f"{name}.pkl").write_bytes(pickle.dumps(model))
        cases[name] = {"label": model.predict(rows).tolist(), "probabilities": model.predict_proba(rows).tolist()}
    cases["coef_"] = models["linear"].coef_.tolist()
    (folder / "cases.json").write_text(json.dumps(cases))


main(Path(sys.argv[1]))
