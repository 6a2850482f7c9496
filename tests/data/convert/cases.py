"""The form of a case with gaps, for the scripts that train models next to this file.

Owns `NAME.pkl`; `NAME.csv` with rows for `--sample`, where wanted; `NAME.case.json` with the columns, the rows that a host
is asked for (null where a value is missing) and the answers that it has to give. Must not know models.
"""

import json
import pickle

import numpy as np
import pandas as pd


def write(folder, name, model, asked, sample, **more):
    """Writes a fitted model, and what it says of the rows `asked`."""
    with open(folder / f"{name}.pkl", "wb") as file:
        pickle.dump(model, file)
    methods = {"variable": "predict"}
    if hasattr(model, "predict_proba"):
        methods = {"label": "predict", "probabilities": "predict_proba"}
    answers = {output: np.asarray(getattr(model, method)(asked)) for output, method in methods.items()}
    if "probabilities" in answers:
        # Between two labels single precision may choose the other one.
        best = np.sort(answers["probabilities"], axis=1)
        kept = best[:, -1] - best[:, -2] > 1e-3
        asked, answers = asked[kept], {output: values[kept] for output, values in answers.items()}
    table = pd.DataFrame(asked)
    named = isinstance(asked, pd.DataFrame)
    if sample:
        table.to_csv(folder / f"{name}.csv", index=False)
    case = {
        "columns": list(table.columns) if named else [f"x{index}" for index in range(table.shape[1])],
        "rows": [[null(value) for value in row] for row in table.to_numpy(dtype=object).tolist()],
        "answers": {output: values.tolist() for output, values in answers.items()},
    }
    (folder / f"{name}.case.json").write_text(json.dumps(case | more))


def null(value):
    """JSON's null for what is missing."""
    return None if value is None or isinstance(value, float) and np.isnan(value) else value
