"""The facts about one call.

Owns the call's id, source, deadline, request line and attributes. Must not know the payload.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import List, Optional, Tuple, Union
from urllib.parse import parse_qsl

# The value of an attribute, with the type that the platform reported.
Value = Union[None, bool, int, float, str]


class Source(Enum):
    """The event that caused a call."""

    HTTP = "http"
    BLOB = "blob"
    SERVICE_BUS = "service-bus"
    STORAGE_QUEUE = "storage-queue"
    DIRECT = "direct"
    WARM_UP = "warm-up"


@dataclass
class HttpRequest:
    """The request line of an HTTP call. Parameters that hold a key are not in the query."""

    method: str
    path: str
    query: str

    def parameters(self) -> List[Tuple[str, str]]:
        """Returns the parameters of the query, decoded, in their order."""
        return parse_qsl(self.query, keep_blank_values=True)


@dataclass
class Invocation:
    """The facts about one call."""

    id: str = "test"
    source: Source = Source.DIRECT
    attempt: int = 1
    deadline_ms: Optional[int] = None
    http: Optional[HttpRequest] = None
    attributes: List[Tuple[str, Value]] = field(default_factory=list)

    def attribute(self, name: str) -> Value:
        """Returns the value of the first attribute ``name``, e.g. of an HTTP header in lower case.

        Returns ``None`` if the call has no such attribute, or if the attribute is null.
        """
        return next((value for key, value in self.attributes if key == name), None)

    def parameter(self, name: str) -> Optional[str]:
        """Returns the value of the first parameter ``name`` in the query, decoded.

        Returns ``None`` if the call has no request line, or no such parameter.
        """
        pairs = self.http.parameters() if self.http else []
        return next((value for key, value in pairs if key == name), None)
