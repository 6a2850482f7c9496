"""The payloads and answers of a scorer.

Owns bytes with a media type, and their conversion from and to JSON. Must not know how a call ends.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, List, Optional, Tuple

from .errors import Failed, Rejected

JSON = "application/json"


@dataclass
class Payload:
    """Bytes with a media type."""

    content_type: str
    body: bytes

    @staticmethod
    def json(value: Any) -> Payload:
        """Returns a value as a JSON payload.

        Raises ``Failed`` if the value cannot be JSON, e.g. because it holds NaN.
        """
        try:
            text = json.dumps(value, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
            # A text with half of a surrogate pair is not UTF-8.
            return Payload(JSON, text.encode())
        except (TypeError, ValueError, RecursionError) as error:
            raise Failed("json", "the scorer could not write its answer as JSON", str(error)) from error

    @staticmethod
    def text(text: str) -> Payload:
        """Returns a text as a payload of the media type ``text/plain``."""
        return Payload("text/plain; charset=utf-8", text.encode())

    def to_json(self) -> Any:
        """Returns the value of a JSON payload.

        Raises ``Rejected`` with the code ``invalid-json`` if the body is not JSON.
        """
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise Rejected("invalid-json", f"the body is not JSON: {error}") from error


@dataclass
class Answer:
    """A payload with the status and the headers of the HTTP answer."""

    payload: Payload
    status: Optional[int] = None
    headers: List[Tuple[str, str]] = field(default_factory=list)

    @staticmethod
    def of(value: Any, status: Optional[int] = None, **headers: str) -> Answer:
        """Returns an answer with ``value`` as its payload. If it is not a ``Payload``, it becomes JSON.

        A keyword names a header with ``_`` for ``-``: ``x_model="7"`` is the header ``x-model``.
        """
        pairs = [(name.replace("_", "-"), text) for name, text in headers.items()]
        return Answer(value if isinstance(value, Payload) else Payload.json(value), status, pairs)


def answer(value: Any) -> Answer:
    """Converts a result of ``run`` to an answer.

    The result is an ``Answer``, a ``Payload``, or a value that becomes JSON.
    """
    if isinstance(value, Answer):
        return value
    return Answer(value if isinstance(value, Payload) else Payload.json(value))
