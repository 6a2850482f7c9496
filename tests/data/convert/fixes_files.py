"""Cases of `fixes.py` where the file is at fault, not the model.

Owns files that stand for another, that were cut, and forms that are not converted. Must not know how a case is kept.
"""

import bz2
import io
import json
import pickle
import zipfile
import zlib

import joblib
import numpy as np
from scipy import sparse
from sklearn import datasets, linear_model
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import lightgbm
import xgboost

ROWS, LABELS = datasets.load_iris(return_X_y=True)
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22e\nsize 12345\n"
PAGE = b'<!DOCTYPE html>\n<html lang="en"><head><title>model.pkl</title></head></html>\n'
CUT = ["download it again", "compare its size"]


def line():
    return linear_model.LogisticRegression(max_iter=500).fit(ROWS, LABELS)


def trees():
    return xgboost.XGBClassifier(n_estimators=3, max_depth=2, n_jobs=1).fit(ROWS, LABELS)


def gradients():
    return lightgbm.LGBMClassifier(n_estimators=3, n_jobs=1, verbose=-1).fit(ROWS, LABELS)


def saved(booster, ending):
    return bytes(booster.save_raw(ending))


def joined(model, compress):
    file = io.BytesIO()
    joblib.dump(model, file, compress=compress)
    return file.getvalue()


def array(save, values):
    file = io.BytesIO()
    save(file, values)
    return file.getvalue()


def archive(members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as zipped:
        for name, data in members.items():
            zipped.writestr(name, data)
    return file.getvalue()


def cases():
    whole, booster, text = pickle.dumps(line()), trees().get_booster(), gradients().booster_.model_to_string().encode()
    graph = saved(booster, "json")
    ranked = xgboost.train({"objective": "rank:ndcg"}, xgboost.DMatrix(ROWS, LABELS, qid=np.repeat(range(5), 30)), 3)
    valued = xgboost.train({"objective": "reg:squarederror"}, xgboost.DMatrix(ROWS, LABELS), 3)
    order = lightgbm.LGBMRanker(n_estimators=2, n_jobs=1, verbose=-1).fit(ROWS, LABELS, group=[30] * 5)
    number = lightgbm.LGBMRegressor(n_estimators=2, n_jobs=1, verbose=-1).fit(ROWS, LABELS)
    numbers = np.linspace(0, 1, 300)
    matrix = array(lambda file, values: sparse.save_npz(file, values), sparse.csr_matrix(np.eye(4)))
    archived = array(np.savez, numbers)
    odd = {"with": "no model"}
    found = {
        "pointer": (POINTER, whole, ["Git LFS pointer"], ["git lfs pull"], "pkl"),
        "page": (PAGE, whole, ["HTML page"], ["raw content"], "pkl"),
        "empty": (b"", whole, ["is empty"], ["download it again"], "pkl"),
        "cut-pickle": (whole[: len(whole) // 2], whole, ["was cut"], CUT, "pkl"),
        "cut-end": (whole[:-1], whole, ["was cut"], CUT, "p"),
        "cut-joblib": (joined(line(), 3)[:-20], joined(line(), 3), ["was cut"], CUT, "joblib"),
        "cut-xz": (joined(line(), "xz")[:-20], joined(line(), "xz"), ["was cut"], CUT, "xz"),
        "cut-array": (joined(line(), 0)[:-300], joined(line(), 0), ["was cut"], CUT, "dump"),
        "cut-xgboost": (graph[:-9], graph, ["XGBoost", "was cut"], CUT, "json"),
        "cut-ubj": (saved(booster, "ubj")[:-9], saved(booster, "ubj"), ["XGBoost", "was cut"], CUT, "ubj"),
        "cut-lightgbm": (text[: len(text) // 2], text, ["LightGBM", "was cut"], CUT, "txt"),
        "not-a-pickle": (b"no pickle at all", whole, ["begins with 'no pickle"], ["pickle, joblib or skops"], "pkl"),
        "xgboost-ranks": (
            *(saved(ranked, "json"), saved(valued, "json"), ["xgboost.core.Booster", "rank:ndcg"]),
            *(["reg:squarederror"], "json"),
        ),
        "lightgbm-ranks": (
            *(order.booster_.model_to_string().encode(), number.booster_.model_to_string().encode()),
            *(["lightgbm.basic.Booster", "lambdarank"], ["regression"], "txt"),
        ),
        "ranker-class": (order, number, ["LGBMRanker", "no converter"], ["in its place"], "pkl"),
        "xgboost-dump": (
            *(json.dumps([json.loads(one) for one in booster.get_dump(dump_format="json")]).encode(), graph),
            *(["a dump", "XGBoost"], ["booster.save_model('model.json')"], "json"),
        ),
        "lightgbm-dump": (
            *(json.dumps(gradients().booster_.dump_model()).encode(), text),
            *(["a dump", "LightGBM"], ["booster.save_model('model.txt')"], "json"),
        ),
        "other-json": (json.dumps(odd).encode(), graph, ["is JSON"], ["save_model"], "json"),
        "archive": (archive({"model.pkl": whole}), whole, ["zip archive", "model.pkl"], ["unpack it"], "zip"),
        "cut-archive": (archive({"m.pkl": whole})[:-9], whole, ["zip archive that was cut"], CUT, "zip"),
        "torch": (*(archive({"archive/data.pkl": whole}), whole, ["torch.save"], ["torch.onnx.export"], "pt"),),
        "sparse-matrix": (matrix, array(np.save, np.eye(4)), ["sparse matrix of SciPy"], [".toarray()"], "npz"),
        "cut-npy": (array(np.save, numbers)[:-9], array(np.save, numbers), ["bytes of data"], CUT, "npy"),
        "cut-npz": (archived[:-9], archived, ["archive that was cut"], CUT, "npz"),
        "complex": (array(np.save, numbers * 1j), array(np.save, numbers), ["complex"], ["plain numeric dtype"], "npy"),
        "array-pointer": (POINTER, array(np.save, numbers), ["Git LFS pointer"], ["git lfs pull"], "npy"),
        "sampler": (
            *(b"cimblearn.pipeline\nPipeline\n(tR.", make_pipeline(StandardScaler(), line()).fit(ROWS, LABELS)),
            *(["`imblearn"], ["fit_resample"], "pkl"),
        ),
        "own-module": (b"cno_such_module\nThing\n(tR.", line(), ["`no_such_module`"], ["--python"], "pkl"),
        "list": ([line(), line()], line(), ["list"], ["the fitted estimator"], "pkl"),
        "tuple": ((line(), 0.5), line(), ["tuple"], ["the fitted estimator"], "pkl"),
        "dictionary": ({"model": line()}, line(), ["dict", "'model'"], ["the fitted estimator"], "pkl"),
    }
    keys = ("refused", "fixed", "problem", "fix", "ending")
    return {name: dict(zip(keys, case)) for name, case in found.items()}


def compressed():
    """One model in every form that a pickle comes in, by the file's name."""
    model = line()
    plain = pickle.dumps(model)
    found = {f"protocol-{number}.p": pickle.dumps(model, protocol=number) for number in range(6)}
    found |= {"model": plain, "model.bin": plain, "model.dump": plain, "model.v2.final": plain}
    for form in ("zlib", "gzip", "bz2", "xz", "lzma"):
        found[f"joblib-{form}.out"] = joined(model, (form, 3))
    return found | {"zlib.of-a-pickle": zlib.compress(plain), "bz2.of-a-pickle": bz2.compress(plain)}
