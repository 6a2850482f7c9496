"""Credit risk in Python, written against the WIT alone."""
import json
import math

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import model
from wit_world.imports.types import Answer, Example, Payload, Problem, ScoreError_Rejected, Shape, Signature

SCHEMA = json.dumps({
    "type": "object", "required": ["features"],
    "properties": {"features": {"type": "array", "items": {"type": "number"}, "minItems": 3, "maxItems": 3}},
})
COEF, INTERCEPT = [], 0.0


def read(name, count):
    with model.Tensor.open(name) as tensor:
        return tensor.floats(0, count)


class Scorer(exports.Scorer):
    def describe(self):
        one = Example("one", Payload("application/json", b'{"features": [1, 2, 0.5]}'))
        return Signature(Shape(["application/json"], SCHEMA, [one]), Shape(["application/json"], None, []), True)

    def init(self):
        global COEF, INTERCEPT
        COEF = read("coef", 3)
        INTERCEPT = read("intercept", 1)[0]

    def run(self, call, input):
        features = json.loads(input.body)["features"]
        if features[0] < 0:
            raise Err(ScoreError_Rejected(Problem("negative-income", "the first feature is negative", None)))
        dot = sum(x * c for x, c in zip(features, COEF)) + INTERCEPT
        body = json.dumps({"probability": 1 / (1 + math.exp(-dot))}).encode()
        return Answer(Payload("application/json", body), None, [])
