"""Tests of the module `scorebox_guest`, and of where a model's files are found."""

import importlib.util
import io
import json
import struct
import unittest

from play import call, play
from with_redis import WithRedis


def evaluated(expressions, imports, **world):
    """Plays a script that evaluates each expression. Returns the answers."""
    script = f"{imports}\ndef init(): pass\ndef run(what): return eval(what)"
    return play(script, [call(one) for one in expressions], **world)


@unittest.skipUnless(importlib.util.find_spec("numpy"), "numpy is not installed")
class Guest(unittest.TestCase):
    def test_tensors_and_files_of_the_model(self):
        head = {
            "__metadata__": {"a": "b"},
            "w": {"dtype": "F64", "shape": [2, 2], "data_offsets": [0, 32]},
            "b": {"dtype": "BF16", "shape": [2], "data_offsets": [32, 36]},
        }
        text = json.dumps(head).encode()
        body = struct.pack("<4d2H", 1, 2, 3, 4, 0x3F80, 0xC000)
        model = {"m.safetensors": len(text).to_bytes(8, "little") + text + body, "deep/labels.txt": "abc"}
        cases = {
            "[vars(one) for one in model.tensors()]": [
                {"name": "b", "dtype": "bf16", "shape": [2]},
                {"name": "w", "dtype": "f64", "shape": [2, 2]},
            ],
            "model.Tensor('w').array().tolist()": [[1, 2], [3, 4]],
            "model.Tensor('w').values(1, 2).tolist()": [2, 3],
            "model.Tensor('w').rows([1]).tolist()": [[3, 4]],
            "[model.Tensor('b').floats().tolist(), len(model.Tensor('b'))]": [[1, -2], 2],
            "model.files()": ["deep/labels.txt", "m.safetensors"],
            "model.read_file('deep/labels.txt', 1, 1).decode()": "b",
            "vars(model.info())": {"name": "m", "version": "1", "digest": "sha256:0", "labels": {"a": "b"}},
        }
        played = evaluated(
            [*cases, "model.Tensor('x')", "model.read_file('../x')", "model.Tensor('w').values(3, 2)"],
            "from scorebox_guest import model",
            model=model,
        )
        for (case, expected), answer in zip(cases.items(), played.answers):
            self.assertEqual(
                (answer.ending, answer.body and json.loads(answer.body)), (0, expected), (case, answer.text)
            )
        texts = [one.text.rpartition("\n")[2] for one in played.answers[-3:]]
        self.assertEqual(
            [text.partition("(")[2] for text in texts],
            [
                "the model has no tensor `x`)",
                "the model has no file `../x`)",
                "a range does not lie within its tensor or file)",
            ],
        )

    def test_graphs_take_and_give_arrays(self):
        imports = "import numpy as np, scorebox_guest.graphs as graphs"
        cases = (
            "graphs.run('double', {'x': np.array([[1.5, 2]])})['doubled'].tolist()",
            "graphs.run('none', {'x': np.ones(1)})",
            "graphs.run('double', {'x': np.array(['a'])})",
        )
        first, second, third = evaluated(cases, imports).answers
        self.assertEqual(first.value, [[3.0, 4.0]])
        self.assertIn(
            "Failed: graph: the script could not run a graph (the model has no such graph)", second.text
        )
        self.assertIn("the input `x` has the type <U1", third.text)

    def test_lines_measurements_settings_and_errors(self):
        imports = "from scorebox_guest import *\ndef throw(e): raise e"
        cases = (
            "[log.warn('w'), log.write('error', 'e', 'part'), metrics.count('n', 2, kind='a'), metrics.record('v', 1)][0]",
            "[config.text('A'), config.number('B'), config.text('C', 'c')]",
            "config.number('A')",
            "throw(Rejected('bad-row', 'send rows', 'secret'))",
            "throw(Unavailable('later', 'come back', 'why'))",
            "throw(Failed('bug', 'a bug'))",
        )
        played = evaluated(cases, imports, environment={"A": "a", "B": "1.5"})
        answers = played.answers
        self.assertEqual(played.logs[:2], [["w", "w"], ["e", "part: e"]])
        self.assertEqual(
            played.metrics,
            [
                {"kind": "count", "name": "n", "value": 2, "attributes": {"kind": "a"}},
                {"kind": "record", "name": "v", "value": 1.0, "attributes": {}},
            ],
        )
        self.assertEqual(answers[1].value, ["a", 1.5, "c"])
        self.assertIn("`A` is not a number", answers[2].text)
        self.assertEqual((answers[3].ending, answers[3].text), (2, "send rows"))
        self.assertEqual(
            (answers[4].status, answers[4].value), (503, {"code": "later", "message": "come back"})
        )
        self.assertEqual(answers[5].ending, 1)


class Store(WithRedis):
    def test_commands(self):
        cases = {
            "c.execute('SET', 'g', 'ä')": "'OK'",
            "c.execute('GET', 'g')": "b'\\xc3\\xa4'",
            "c.execute('GET', 'nope')": "None",
            "c.pipeline([('INCR', 'gi'), ('LPUSH', 'g', 1), ('HSET', 'gh', 'a', 1), ('HGETALL', 'gh')])": "[1, Failed('store-command', \"the script's store refused a command\"), 1, {b'a': b'1'}]",
            "c.transaction([('INCRBY', 'gi', 2), ('GET', 'gi')])": "[3, b'3']",
            "c.execute('ZADD', 'gz', 1.5, 'm'), c.execute('ZSCORE', 'gz', 'm')": "(1, 1.5)",
            "c.execute('DEL', 'g', 'gi', 'gh', 'gz')": "4",
        }
        imports = "from scorebox_guest import redis\nc = redis.Connection()"
        played = evaluated([f"repr(({one}))" for one in cases], imports, redis_port=self.port)
        for (case, expected), answer in zip(cases.items(), played.answers):
            self.assertEqual(answer.ending, 0, answer.text)
            self.assertEqual(answer.value, expected, case)
        [answer] = evaluated(["c.execute('GET', 'x')"], imports, redis_port=1).answers
        self.assertEqual(answer.status, 503)


    def test_a_store_is_a_cache(self):
        cases = {
            "b.get('c1')": "None",
            "b.set('c1', 'ä'), b.get('c1'), b.exists('c1'), b.lifetime('c1')": "(True, b'\\xc3\\xa4', True, True)",
            "b.set('c1', 'x', only_if='absent'), b.set('c2', b'x', only_if='present')": "(False, False)",
            "b.set('c2', b'x', ttl=100, only_if='absent'), 90 < b.lifetime('c2') <= 100": "(True, True)",
            "b.touch('c2', None), b.lifetime('c2'), b.touch('c9', 5), b.touch('c9', None)": "(True, True, False, False)",
            "b.set_json('c3', {'a': [1]}), b.get_json('c3'), b.get_json('c9')": "(True, {'a': [1]}, None)",
            "b.set_many({'c4': 'x', 'c5': b'y'}, ttl=100), b.get_many(['c4', 'c9', 'c5']), b.get_many([])": "(None, {'c4': b'x', 'c5': b'y'}, {})",
            "b.increment('c6'), b.increment('c6', 4), b.lifetime('c6')": "(1, 5, True)",
            "b.increment('c7', 2, ttl=100), b.increment('c7', 2, ttl=500), 90 < b.lifetime('c7') <= 100": "(2, 4, True)",
            "b.delete('c1'), b.delete_many(['c2', 'c3', 'c4', 'c5', 'c6', 'c7']), b.lifetime('c1')": "(None, None, None)",
        }
        failing = {
            "[b.set('c1', '{'), b.get_json('c1')]": "stored-json",
            "[b.delete('c1'), cache.Bucket('other').get('a')]": "no-such-store",
            "b.keys()": "keep the names in a set of your own",
            "b.update('c1', str)": "use increment, or a transaction",
        }
        imports = "import scorebox_guest.cache as cache\nb = cache.Bucket()"
        calls = [f"repr(({one}))" for one in cases] + list(failing)
        played = evaluated(calls, imports, redis_port=self.port)
        for (case, expected), answer in zip(cases.items(), played.answers):
            self.assertEqual((answer.ending, answer.text), (0, json.dumps(expected)), case)
        for (case, expected), answer in zip(failing.items(), played.answers[len(cases) :]):
            self.assertEqual(answer.ending, 1, case)
            self.assertIn(expected, answer.text, case)
        [answer] = evaluated(["b.get('x')"], imports, redis_port=1).answers
        self.assertEqual(answer.status, 503)


class ModelPaths(unittest.TestCase):
    def test_a_registered_model_is_found(self):
        cases = (
            ({"sklearn_mnist.pkl": "x"}, "sklearn_mnist", "sklearn_mnist.pkl"),
            ({"sklearn_mnist_model.pkl": "x"}, "sklearn_mnist", "sklearn_mnist_model.pkl"),
            (
                {"sklearn_mnist_model.pkl": "x", "b": "y"},
                "sklearn_mnist_model.pkl",
                "sklearn_mnist_model.pkl",
            ),
            ({"m/1/a.pkl": "1", "m/2/a.pkl": "2"}, "m", "m/2/a.pkl"),
            ({"m/1/a.pkl": "1", "m/2/a.pkl": "2", "n/1/b.pkl": "3"}, "n", "n/1/b.pkl"),
            ({"m/a": "1", "m/b": "2", "x": ""}, "m", "m"),
            ({"m/9/a": "1", "m/10/a": "1", "m/10/b": "2", "x": ""}, "m", "m/10"),
        )
        for files, name, expected in cases:
            with self.subTest(name, files=list(files)):
                script = f"import os\nfrom azureml.core.model import Model\ndef init(): pass\ndef run(x): return os.path.relpath(Model.get_model_path({name!r}), os.environ['AZUREML_MODEL_DIR'])"
                [answer] = play(script, [call("1")], model=files).answers
                self.assertEqual(answer.value, expected)

    def test_a_version_is_taken(self):
        script = "from azureml.core import Model\ndef init(): pass\ndef run(x): return open(Model.get_model_path('m', version=1)).read()"
        [answer] = play(script, [call("1")], model={"m/1/a.pkl": "1", "m/2/a.pkl": "2"}).answers
        self.assertEqual(answer.value, "1")

    def test_a_model_that_is_not_there_is_an_error_with_what_is(self):
        script = "from azureml.core.model import Model\ndef init(): Model.get_model_path('c')\ndef run(x): return 1"
        [answer] = play(script, [call("1")], model={"a": "1", "b": "2"}).answers
        *_, error, note = answer.text.split("\n")
        self.assertEqual(error, "FileNotFoundError: Model 'c' is not in the model folder.")
        self.assertRegex(note, "^The model folder .*/model has: a, b$")


@unittest.skipUnless(importlib.util.find_spec("sklearn"), "scikit-learn is not installed")
class Tutorial(unittest.TestCase):
    def test_the_old_name_of_joblib_works(self):
        script = """
import json, os, pickle
import numpy as np
from sklearn.externals import joblib
import sklearn.externals.joblib as again
from azureml.core.model import Model
def init():
    global model
    model = joblib.load(Model.get_model_path("sklearn_mnist"))
def run(raw_data):
    data = np.array(json.loads(raw_data)["data"])
    return [model.predict(data).tolist(), again is joblib]
"""
        import joblib
        import numpy as np
        from sklearn.linear_model import LogisticRegression

        file = io.BytesIO()
        joblib.dump(LogisticRegression().fit(np.arange(8.0).reshape(4, 2), [0, 0, 1, 1]), file)
        [answer] = play(
            script, [call({"data": [[0, 1], [6, 7]]})], model={"x/1/m.pkl": file.getvalue()}
        ).answers
        self.assertEqual(answer.value, [[0, 1], True])


if __name__ == "__main__":
    unittest.main()
