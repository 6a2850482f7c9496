"""Trains the model: a logistic regression on made-up applicants. Replace it by your own training."""

import json
import pickle

import numpy
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

random = numpy.random.default_rng(7)
# Income in thousands, age in years, and debt in thousands.
X = numpy.column_stack(
    [random.gamma(4, 12, 600), random.uniform(18, 80, 600), random.gamma(2, 10, 600)]
).astype(numpy.float32)
repaid = X[:, 0] - 1.5 * X[:, 2] + random.normal(0, 10, 600) > 5

model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, repaid.astype(int))

with open("model.pkl", "wb") as file:
    pickle.dump(model, file)
# `scorebox convert` compares the answers of the converted model on these rows.
with open("rows.json", "w") as file:
    json.dump(X[:60].tolist(), file)
# One request with its correct answer. `scorebox package` refuses a model that answers it differently.
rows = X[numpy.argsort(model.predict_proba(X)[:, 1])[[0, 300, 599]]]
sample = {
    "inputs": {"X": rows.tolist()},
    "outputs": {
        "label": model.predict(rows).tolist(),
        "probabilities": model.predict_proba(rows).tolist(),
    },
    "tolerance": 1e-4,
}
with open("sample.json", "w") as file:
    json.dump(sample, file)
