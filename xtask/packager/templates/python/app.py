"""Credit risk: a logistic regression over three features."""

import math

from scorebox_guest import Invocation, JsonScorer, Rejected, Signature, model

SCHEMA = {
    "type": "object",
    "required": ["features"],
    "properties": {
        "features": {"type": "array", "items": {"type": "number"}, "minItems": 3, "maxItems": 3}
    },
}


class Risk(JsonScorer):
    def describe(self) -> Signature:
        # The host checks each request against the schema before it calls `run`.
        return Signature.json(SCHEMA, example={"features": [1, 2, 0.5]}, deterministic=True)

    def init(self) -> None:
        # It runs once for each instance, before the first call.
        self.coef = model.Tensor("coef").floats()
        self.intercept = model.Tensor("intercept").floats()[0]

    def run(self, call: Invocation, request):
        income = request["features"][0]
        if income < 0:
            raise Rejected("negative-income", "the first feature is negative")
        dot = sum(x * w for x, w in zip(request["features"], self.coef)) + self.intercept
        return {"probability": 1 / (1 + math.exp(-dot))}
