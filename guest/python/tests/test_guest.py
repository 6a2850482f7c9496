"""Tests of the package on the native interpreter, with the stand-in for the host."""

from __future__ import annotations

import math
import sys
import tempfile
import unittest
from array import array
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from scorebox_guest import (  # noqa: E402
    Answer,
    Dtype,
    Failed,
    HttpRequest,
    InputPort,
    Invocation,
    JsonScorer,
    NamedTensor,
    Payload,
    Port,
    Rejected,
    Scorer,
    Signature,
    TensorScorer,
    TensorSignature,
    Unavailable,
    cache,
    config,
    graphs,
    log,
    metrics,
    model,
    redis,
)
from scorebox_guest._component import find, shown  # noqa: E402
from scorebox_guest._host import NotAvailable  # noqa: E402
from scorebox_guest.tensor import packed, view  # noqa: E402
from scorebox_guest.testing import Host  # noqa: E402

MODEL = {"coef": [0.5, -0.25, 1.5], "intercept": [-1.0]}


class Risk(JsonScorer):
    def describe(self) -> Signature:
        return Signature.json({"type": "object"}, example={"features": [1, 2, 0.5]}, deterministic=True)

    def init(self) -> None:
        self.coef = model.Tensor("coef").floats()
        self.intercept = model.Tensor("intercept").floats()[0]

    def run(self, call: Invocation, request):
        if request["features"][0] < 0:
            raise Rejected("negative-income", "the first feature is negative")
        log.info("scored")
        metrics.count("predictions", model="a")
        dot = sum(x * c for x, c in zip(request["features"], self.coef)) + self.intercept
        return {"probability": 1 / (1 + math.exp(-dot))}


class Sum(TensorScorer):
    def describe(self) -> TensorSignature:
        return TensorSignature(
            [InputPort("x", Dtype.F32, [None, 2])], [Port("sum", Dtype.F32, [None])], example={"x": [[1, 2]]}
        )

    def run(self, calls, inputs):
        sums = [sum(row) for row in inputs[0].rows()]
        return [NamedTensor.of("sum", sums, [len(sums)])]


class Scorers(unittest.TestCase):
    def test_a_scorer_of_json_answers_and_rejects(self) -> None:
        host = Host(model=MODEL)
        scorer = host.start(Risk)
        answer = scorer.run({"features": [1, 2, 0.5]})
        self.assertAlmostEqual(answer["probability"], 1 / (1 + math.exp(0.25)))
        self.assertEqual(scorer.example(), answer)
        self.assertEqual([(line.level, line.message) for line in host.lines], [("info", "scored")] * 2)
        self.assertEqual(host.measurements[0].attributes, {"model": "a"})
        with self.assertRaises(Rejected) as rejected:
            scorer.run({"features": [-1, 2, 0.5]})
        self.assertEqual(rejected.exception.problem.code, "negative-income")
        with self.assertRaises(Rejected):
            scorer.run(Payload("application/json", b"{"))

    def test_a_scorer_of_tensors_gets_rows(self) -> None:
        scorer = Host().start(Sum)
        self.assertEqual(list(scorer.run({"x": [[1, 2], [3, 4]]})["sum"].values()), [3, 7])
        self.assertEqual(list(scorer.example()["sum"].values()), [3])
        with self.assertRaises(ValueError):
            scorer.run({"x": [[1, 2, 3]]})

    def test_a_scorer_chooses_status_and_headers(self) -> None:
        class Choosing(Scorer):
            def describe(self) -> Signature:
                return Signature()

            def run(self, call: Invocation, payload: Payload):
                return Answer.of(call.parameter("a b"), status=202, x_kind=str(call.attribute("x-kind")))

        call = Invocation(http=HttpRequest("POST", "/", "a+b=c%20d"), attributes=[("x-kind", 7)])
        answer = Host().start(Choosing).answer(Payload.text("x"), call)
        self.assertEqual((answer.status, answer.headers), (202, [("x-kind", "7")]))
        self.assertEqual(answer.payload.body, b'"c d"')

    def test_describe_and_init_reach_what_they_may(self) -> None:
        class Early(JsonScorer):
            def describe(self) -> Signature:
                model.files()
                return Signature.json()

        class Storing(JsonScorer):
            def describe(self) -> Signature:
                return Signature.json()

            def init(self) -> None:
                cache.Bucket().get("a")

        with self.assertRaises(NotAvailable):
            Host().start(Early)
        Host().start(Storing)

    def test_nan_and_half_a_character_are_not_json(self) -> None:
        for value in (math.nan, "\ud83d"):
            with self.assertRaises(Failed):
                Payload.json({"a": value})

    def test_the_only_scorer_of_a_module_is_found(self) -> None:
        import types

        module = types.ModuleType("app")
        self.assertIsNone(find(module))
        module.JsonScorer, module.Risk = JsonScorer, Risk
        self.assertIs(find(module), Risk)

        class Better(Risk):
            pass

        module.Better = Better
        self.assertIs(find(module), Better)
        module.Sum = Sum
        with self.assertRaises(TypeError):
            find(module)

    def test_a_traceback_has_files_and_lines(self) -> None:
        try:
            {}["missing"]
        except KeyError as error:
            text = shown(error)
        self.assertIn("test_guest.py", text)
        self.assertTrue(text.endswith("KeyError: 'missing'"), text)


class Capabilities(unittest.TestCase):
    def test_tensors_are_read_whole_and_in_parts(self) -> None:
        wide = NamedTensor.of("w", [1, 2, 3, 4, 5, 6], [3, 2], Dtype.F64)
        counts = NamedTensor.of("n", [2**40, -1], [2], Dtype.I64)
        with Host(model={"w": wide, "n": counts, **MODEL}, files={"a/b.txt": b"hello"}, labels={"run": "7"}):
            tensor = model.Tensor("w")
            self.assertEqual((tensor.shape, len(tensor)), ([3, 2], 6))
            self.assertEqual(list(tensor.values()), [1, 2, 3, 4, 5, 6])
            self.assertEqual(list(tensor.floats(2, 2)), [3, 4])
            self.assertEqual(list(tensor.rows([2, 0])), [5, 6, 1, 2])
            self.assertEqual(list(model.Tensor("n").values()), [2**40, -1])
            self.assertEqual(model.Tensor("coef").floats(), array("f", MODEL["coef"]))
            self.assertEqual(model.read_file("a/b.txt"), b"hello")
            self.assertEqual(model.read_file("a/b.txt", 1, 3), b"ell")
            self.assertEqual(model.info().labels, {"run": "7"})
            self.assertEqual([one.name for one in model.tensors()], ["coef", "intercept", "n", "w"])
            for wrong in (lambda: model.Tensor("no"), lambda: model.Tensor("n").floats(), lambda: tensor.values(5, 2)):
                with self.assertRaises(Failed) as failed:
                    wrong()
                self.assertEqual(failed.exception.problem.code, "model")

    def test_a_folder_of_safetensors_is_a_model(self) -> None:
        import json
        import struct

        with tempfile.TemporaryDirectory() as folder:
            facts = {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}, "__metadata__": {"k": "v"}}
            header = json.dumps(facts).encode()
            data = struct.pack("<Q", len(header)) + header + struct.pack("<2f", 1, 2)
            Path(folder, "m.safetensors").write_bytes(data)
            with Host(model=folder):
                self.assertEqual(list(model.Tensor("a").floats()), [1, 2])
                self.assertEqual(model.files(), ["m.safetensors"])

    def test_elements_of_every_type_come_back(self) -> None:
        for dtype in Dtype:
            values = [1, 0] if dtype is Dtype.BOOL else [1, 2, 100]
            data = packed(dtype, values)
            self.assertEqual(len(data), dtype.size * len(values))
            self.assertEqual([int(value) for value in view(dtype, data)], values, dtype)
        with self.assertRaises(Failed):
            packed(Dtype.U8, [256])

    def test_a_store_keeps_values_for_a_while(self) -> None:
        now = [0.0]
        host = Host(clock=lambda: now[0])
        with host:
            bucket = cache.Bucket()
            self.assertTrue(bucket.set("a", "1", ttl=2))
            self.assertFalse(bucket.set("a", "2", only_if="absent"))
            self.assertEqual((bucket.get("a"), bucket.lifetime("a")), (b"1", 2.0))
            now[0] = 3.0
            self.assertIsNone(bucket.get("a"))
            self.assertIsNone(bucket.lifetime("a"))
            self.assertEqual([bucket.increment("n"), bucket.increment("n", 4, ttl=1)], [1, 5])
            bucket.set_json("j", {"x": 1})
            self.assertIs(bucket.lifetime("j"), True)
            self.assertEqual(bucket.get_json("j"), {"x": 1})
            self.assertEqual(bucket.get_many(["j", "no"]), {"j": b'{"x":1}'})
            self.assertEqual(bucket.update("n", lambda held: held + b"!"), b"5!")
            self.assertEqual(sorted(bucket.keys()), ["j", "n"])

            def lost(held: bytes) -> bytes:
                host.stores["default"].is_away = True
                return held

            with self.assertRaises(Unavailable):
                bucket.update("n", lost)
            with self.assertRaises(Unavailable):
                bucket.get("j")
            with self.assertRaises(Failed):
                cache.Bucket("other").get("a")

    def test_raw_commands_graphs_and_settings(self) -> None:
        double = {"double": lambda inputs: {"y": NamedTensor.of("y", [2 * x for x in inputs["x"].values()], [2])}}
        answers = {b"HGETALL": {"age": 7}, b"GET": None, b"LRANGE": [b"a", 2]}
        host = Host(config={"limit": "3", "word": "x"}, graphs=double, redis=lambda name, *_: answers[name])
        with host:
            connection = redis.Connection()
            self.assertEqual(connection.execute("HGETALL", "u"), {"age": 7})
            self.assertEqual(connection.pipeline([["GET", "a"], ["LRANGE", "l", 0, -1]]), [None, [b"a", 2]])
            outputs = graphs.run("double", [NamedTensor.of("x", [1, 2], [2])])
            self.assertEqual(list(graphs.output(outputs, "y").values()), [2, 4])
            self.assertEqual((config.number("limit"), config.text("no", "d")), (3.0, "d"))
            for wrong in (lambda: config.number("word"), lambda: graphs.run("no", [])):
                with self.assertRaises(Failed):
                    wrong()


if __name__ == "__main__":
    unittest.main()
