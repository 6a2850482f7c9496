"""Cases of `fixes.py` with model folders of MLflow, and such folders for the tests that convert them.

Owns the folders, which are written as MLflow 3.17 writes them. Must not know how a case is kept.
"""

import json
import os
import pickle

import numpy as np
import pandas as pd
import skops.io
from sklearn import datasets, linear_model, preprocessing
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline

import lightgbm
import xgboost

FRAME, LABELS = datasets.load_iris(return_X_y=True, as_frame=True)
TYPES = {"f": "double", "i": "long", "b": "boolean", "O": "string", "U": "string", "M": "datetime"}


def described(flavors, frame=None, example=None):
    """The text of `MLmodel`."""
    lines = ["flavors:"]
    for flavor, values in flavors.items():
        lines += [f"  {flavor}:"] + [f"    {key}: {value}" for key, value in values.items()]
    lines += ["  python_function:", "    env:", "      conda: conda.yaml", "    loader_module: mlflow.sklearn"]
    lines += ["mlflow_version: 3.17.2", "utc_time_created: '2026-11-27 16:44:06.240080'"]
    if example is not None:
        lines += ["saved_input_example_info:", "  artifact_path: input_example.json", "  type: dataframe"]
    if frame is not None:
        kinds = [(name, "O" if str(kind) in ("str", "object") else kind.kind) for name, kind in frame.dtypes.items()]
        columns = [{"type": TYPES[kind], "name": name, "required": True} for name, kind in kinds]
        lines += ["signature:", f"  inputs: '{json.dumps(columns)}'", "  outputs: null", "  params: null"]
    return "\n".join(lines) + "\n"


def writer(flavors, files, frame=None, example=None):
    """A function that writes such a folder."""

    def write(folder):
        (folder / "MLmodel").write_text(described(flavors, frame, example))
        for name, data in files.items():
            (folder / name).write_bytes(data)
        if example is not None:
            (folder / "input_example.json").write_text(json.dumps(example))

    return write


def split(frame):
    """An input example of a table."""
    return {"columns": list(frame.columns), "data": frame.to_numpy(dtype=object).tolist()}


def line():
    return linear_model.LogisticRegression(max_iter=500).fit(FRAME, LABELS)


def sklearn(model, frame=FRAME, example=None, **more):
    values = {"pickled_model": "model.pkl", "serialization_format": "cloudpickle"} | more
    return writer({"sklearn": values}, {"model.pkl": pickle.dumps(model)}, frame, example)


def folders():
    """Folders that convert, by their names."""
    random, count = np.random.default_rng(5), 200
    table = pd.DataFrame({"age": random.integers(18, 80, count), "city": random.choice(["Bern", "Chur"], count)})
    table["member"] = random.random(count) < 0.5
    pays = ((table["age"] > 40) ^ table["member"]).astype(int)
    steps = make_column_transformer(
        (preprocessing.OneHotEncoder(), ["city"]), (preprocessing.StandardScaler(), ["age"]), remainder="passthrough"
    )
    mixed = make_pipeline(steps, linear_model.LogisticRegression()).fit(table, pays)
    trees = xgboost.XGBClassifier(n_estimators=3, max_depth=2, n_jobs=1).fit(FRAME, LABELS)
    plain = xgboost.XGBClassifier(n_estimators=3, max_depth=2, n_jobs=1).fit(FRAME.to_numpy(), LABELS)
    light = lightgbm.LGBMRegressor(n_estimators=3, n_jobs=1, verbose=-1).fit(FRAME, LABELS)
    booster = {"model_class": "xgboost.core.Booster", "model_format": "ubj"}
    text = light.booster_.model_to_string().encode()
    skopsed = {"pickled_model": "model.skops", "serialization_format": "skops"}
    return {
        "mlflow-sklearn": sklearn(line(), example=split(FRAME[:5])),
        "mlflow-array": sklearn(line(), frame=None, example=FRAME.to_numpy()[:5].tolist()),
        "mlflow-inputs": sklearn(line(), frame=None, example={"inputs": FRAME.to_numpy()[:5].tolist()}),
        "mlflow-columns": sklearn(mixed, frame=table, example=split(table[:5])),
        "mlflow-skops": writer({"sklearn": skopsed}, {"model.skops": skops.io.dumps(line())}, FRAME),
        "mlflow-xgboost": writer(
            {"xgboost": {"data": "model.ubj"} | booster},
            {"model.ubj": bytes(plain.get_booster().save_raw("ubj"))},
            FRAME,
        ),
        "mlflow-xgboost-json": writer(
            {"xgboost": {"data": "model.xgb"} | booster}, {"model.xgb": bytes(trees.get_booster().save_raw("json"))}
        ),
        "mlflow-lightgbm": writer(
            {"lightgbm": {"data": "model.lgb"}}, {"model.lgb": text}, FRAME, split(FRAME[:5])
        ),
        "mlflow-lightgbm-pickle": writer(
            {"lightgbm": {"data": "model.pkl"}}, {"model.pkl": pickle.dumps(light)}, FRAME
        ),
        "mlflow-onnx": writer({"onnx": {"data": "model.onnx"}}, {"model.onnx": graph()}, FRAME),
    }


def graph():
    """An ONNX file of the model."""
    import skl2onnx

    rows = FRAME.to_numpy()[:1].astype("f4")
    return skl2onnx.to_onnx(line(), rows, options={"zipmap": False}, target_opset=18).SerializeToString()


def cases():
    whole = sklearn(line())
    dated = FRAME.assign(day=pd.to_datetime("2024-01-01"))

    def linked(folder):
        whole(folder)
        os.rename(folder / "model.pkl", folder.parent / "elsewhere.pkl")
        os.symlink(folder.parent / "elsewhere.pkl", folder / "model.pkl")

    def alone(folder):
        whole(folder)
        (folder / "model.pkl").unlink()

    def pointed(folder):
        whole(folder)
        (folder / "model.pkl").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n")

    python = writer({}, {"python_model.pkl": pickle.dumps(1)})
    found = {
        "folder-empty": (lambda folder: None, whole, ["without the file MLmodel"], ["that MLflow saved"]),
        "folder-python": (python, whole, ["python_function alone"], ["log the model with mlflow.sklearn"]),
        "folder-torch": (writer({"pytorch": {"model_data": "data"}}, {}), None, ["`pytorch`"], ["torch.onnx.export"]),
        "folder-other": (writer({"prophet": {"data": "model.pr"}}, {}), whole, ["`prophet`"], ["write a scorer"]),
        "folder-link": (linked, whole, ["a link in a model folder"], ["--dereference"]),
        "folder-alone": (alone, whole, ["`model.pkl`", "not in the folder"], ["copy the whole folder"]),
        "folder-pointer": (pointed, whole, ["Git LFS pointer"], ["git lfs pull"]),
        "folder-dates": (sklearn(line(), dated), whole, ["`day`", "`datetime`"], ["numbers of the dates"]),
        "folder-yaml": (
            lambda folder: (folder / "MLmodel").write_text("a: [") and None,
            whole,
            ["not YAML"],
            ["again"],
        ),
    }
    for name, place in {"up": "../model.pkl", "absolute": "/etc/hostname", "within": "a/../../x"}.items():
        outside = sklearn(line(), pickled_model=place)
        found[f"folder-{name}"] = (outside, whole, ["not in the folder"], ["copy the whole folder"])
    keys = ("refused", "fixed", "problem", "fix")
    found = {name: dict(zip(keys, case)) for name, case in found.items()}
    # Exported to ONNX, and logged so.
    found["folder-torch"]["fixed"] = writer({"onnx": {"data": "model.onnx"}}, {"model.onnx": graph()})
    return found
