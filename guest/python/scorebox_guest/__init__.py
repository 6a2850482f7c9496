"""The SDK for scorers in Python.

A scorer is a class with ``describe``, ``init`` and ``run``, like the functions of an Azure ML scoring
script. The module that ``scorebox.toml`` names holds the class::

    from scorebox_guest import Invocation, JsonScorer, Rejected, Signature, model


    class Linear(JsonScorer):
        def describe(self) -> Signature:
            return Signature.json(example={"features": [1, 2]}, deterministic=True)

        def init(self) -> None:
            self.weights = model.Tensor("weights").floats()

        def run(self, call: Invocation, request):
            if len(request["features"]) != len(self.weights):
                raise Rejected("missing-feature", f"send {len(self.weights)} features")
            return {"score": sum(x * w for x, w in zip(request["features"], self.weights))}

The package is pure Python. On the native interpreter ``scorebox_guest.testing`` stands in for the
host, so that tests need neither a host nor a component.

Owns the names that authors import. Must not know how a component reaches its host.
"""

from __future__ import annotations

from . import cache, config, graphs, log, metrics, model, redis
from .errors import Failed, Problem, Rejected, ScoreError, Unavailable
from .invocation import HttpRequest, Invocation, Source
from .payload import Answer, Payload
from .scorer import JsonScorer, Scorer, TensorScorer
from .signature import Example, InputPort, Port, Shape, Signature, TensorSignature
from .tensor import Dtype, NamedTensor

__version__ = "0.1.0"

__all__ = [
    "Answer",
    "Dtype",
    "Example",
    "Failed",
    "HttpRequest",
    "InputPort",
    "Invocation",
    "JsonScorer",
    "NamedTensor",
    "Payload",
    "Port",
    "Problem",
    "Rejected",
    "ScoreError",
    "Scorer",
    "Shape",
    "Signature",
    "Source",
    "TensorScorer",
    "TensorSignature",
    "Unavailable",
    "cache",
    "config",
    "graphs",
    "log",
    "metrics",
    "model",
    "redis",
]
