"""Tests of estimators that run as graphs, with a fake host that adds the columns."""

import copy
import importlib.util
import json
import os
import pickle
import sys
import tempfile
import types
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

try:
    import numpy as np
except ImportError:
    np = None

REPORT = {
    "inputs": [{"name": "X", "dtype": "f32", "shape": [None, 2]}],
    "outputs": [{"name": "label", "dtype": "i64", "shape": [None]}],
    "classes": [0, 1],
    "comparison": {"outputs": [{"output": "label", "method": "predict"}]},
}


class Estimator:
    """Estimator of the test."""

    depth = 3
    feature_names_in_ = ["a", "b"]

    def __getitem__(self, key):
        return "steps"

    def __sklearn_is_fitted__(self):
        return True

    def predict(self, X):
        return ["original", len(X)]


class Missing:
    def __reduce__(self):
        return (importlib.import_module, ("no_such_library",))


def host(message):
    """Answers a graph frame: the sum of each row as the output `label`."""
    size = int.from_bytes(message[1:5], "little")
    head, data = json.loads(message[5 : 5 + size]), message[5 + size :]
    shape = head["inputs"][0]["shape"]
    sums = np.nan_to_num(np.frombuffer(data, "<f4").reshape(shape).sum(axis=1)).astype("<i8")
    text = json.dumps({"outputs": [{"name": "label", "dtype": "i64", "shape": [shape[0]]}]}).encode()
    return b"\0" + len(text).to_bytes(4, "little") + text + sums.tobytes()


@unittest.skipUnless(np, "numpy is not installed")
class Accelerate(unittest.TestCase):
    def setUp(self):
        sys.modules.setdefault("_host", types.ModuleType("_host"))
        sys.modules["_host"].call = host
        import scorebox_accelerate
        import scorebox_door

        scorebox_door._host = sys.modules["_host"]
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        for name, value in (("m.pkl", Estimator()), ("x.pkl", Missing()), ("plain.pkl", Estimator())):
            with open(self.path(name), "wb") as file:
                pickle.dump(value, file)
            with open(self.path(name + ".report.json"), "w") as file:
                json.dump(REPORT, file)
        load = pickle.load
        self.addCleanup(setattr, pickle, "load", load)
        scorebox_accelerate.install(["m.pkl", "x.pkl"], self.folder.name)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def load(self, name):
        with open(self.path(name), "rb") as file:
            return pickle.load(file)

    def test_a_method_of_the_graph_runs_in_the_host(self):
        model = self.load("m.pkl")
        self.assertEqual(model.predict([[1, 2], [3, 4]]).tolist(), [3, 7])
        self.assertEqual(model.classes_.tolist(), [0, 1])

    def test_the_rest_comes_from_the_pickle(self):
        model = self.load("m.pkl")
        self.assertEqual(model.depth, 3)
        # Rows of another form than the graph has go to the estimator.
        self.assertEqual(model.predict([[1, 2, 3]]), ["original", 1])
        self.assertTrue(isinstance(self.load("plain.pkl"), Estimator))
        self.assertTrue(model)
        self.assertEqual(model[1:], "steps")
        self.assertEqual(model.__sklearn_is_fitted__(), True)
        self.assertIsInstance(pickle.loads(pickle.dumps(model)), Estimator)
        self.assertIsInstance(copy.deepcopy(model), Estimator)

    def test_rows_that_estimators_refuse_or_treat_in_their_own_way_come_from_the_pickle(self):
        model, missing = self.load("m.pkl"), self.load("x.pkl")
        nan = float("nan")
        for rows in ([[nan, 1]], [[1, float("inf")]], [[1e300, 1]], [[0, 0]][:0]):
            rows = np.array(rows).reshape(-1, 2)
            self.assertEqual(model.predict(rows), ["original", len(rows)])
        # Without the library, the graph is what there is. The converter tried missing values.
        self.assertEqual(len(missing.predict([[nan, 1], [1, 1]])), 2)

    def test_a_frame_must_have_the_columns_of_the_estimator(self):
        class Frame(np.ndarray):
            columns = ["a", "b"]

        model, missing = self.load("m.pkl"), self.load("x.pkl")
        frame = np.array([[1.0, 2.0]]).view(Frame)
        self.assertEqual(model.predict(frame).tolist(), [3])
        frame.columns = ["b", "a"]
        self.assertEqual(model.predict(frame), ["original", 1])
        with self.assertRaisesRegex(AttributeError, r"pass its `to_numpy\(\)`.*no_such_library"):
            missing.predict(frame)

    def test_only_the_first_object_of_a_file_is_the_graph(self):
        with open(self.path("m.pkl"), "ab") as file:
            pickle.dump("second", file)
        with open(self.path("m.pkl"), "rb") as file:
            model = pickle.load(file)
            self.assertEqual(model.predict([[1, 2]]).tolist(), [3])
            self.assertRaises(EOFError, pickle.load, file)
        with open(self.path("m.pkl"), "rb") as file:
            file.seek(os.path.getsize(file.name) - len(pickle.dumps("second")))
            self.assertEqual(pickle.load(file), "second")

    def test_a_missing_library_is_named_only_for_the_rest(self):
        model = self.load("x.pkl")
        self.assertEqual(model.predict([[1, 2]]).tolist(), [3])
        with self.assertRaisesRegex(AttributeError, "no_such_library.*use only classes_, predict"):
            model.feature_importances_


if __name__ == "__main__":
    unittest.main()
