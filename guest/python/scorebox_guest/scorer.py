"""The base classes of scorers: of payloads, of JSON and of tensors.

Owns the classes that an author extends. Must not know how a component calls them.
"""

from __future__ import annotations

from typing import Any, List

from .invocation import Invocation
from .payload import Payload
from .signature import Signature, TensorSignature
from .tensor import NamedTensor


class Scorer:
    """A scorer of payloads. Extend it in the module that ``scorebox.toml`` names.

    A value of the class is one instance of the scorer, and serves one call at a time. By default,
    state on ``self`` remains until the host drops the instance. The next call may get another
    instance.
    """

    def describe(self) -> Signature:
        """Returns the contract with callers.

        It runs when the container image is built and when the host starts. It may not use a
        capability.
        """
        raise NotImplementedError

    def init(self) -> None:
        """Prepares the instance, e.g. reads weights.

        It runs for each new instance, before the first call.
        """

    def run(self, call: Invocation, payload: Payload) -> Any:
        """Scores one payload. Returns an ``Answer``, a ``Payload``, or a value that becomes JSON."""
        raise NotImplementedError


class JsonScorer(Scorer):
    """A scorer whose ``run`` takes the value of a JSON body, such as a dict, and returns a value
    for JSON.
    """

    def run(self, call: Invocation, request: Any) -> Any:
        """Scores the value of one JSON body.

        Returns a value that becomes JSON, a ``Payload`` or an ``Answer``.
        """
        raise NotImplementedError


class TensorScorer:
    """A scorer of tensors: the host decodes requests, checks them and encodes answers."""

    def describe(self) -> TensorSignature:
        """Returns the contract with callers, like ``Scorer.describe``."""
        raise NotImplementedError

    def init(self) -> None:
        """Prepares the instance, like ``Scorer.init``."""

    def run(self, calls: List[Invocation], inputs: List[NamedTensor]) -> List[NamedTensor]:
        """Scores the tensors of one call, or the joined rows of several calls.

        ``inputs`` has one tensor for each input port, in the order of the signature. The result
        has one for each output port, in any order. Calls are joined only if the signature is
        batchable. ``calls`` has one entry for each of them.
        """
        raise NotImplementedError
