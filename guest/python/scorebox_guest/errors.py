"""The errors of a scorer.

Owns the three errors that end a call, and the only mapping from the error of a capability to one of
them. Must not know status codes, or what happens to a message: the host chooses both by the class.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional

from ._host import case


@dataclass
class Problem:
    """A failure, with a text for the caller and a detail for the log."""

    code: str
    message: str
    detail: Optional[str] = None


class ScoreError(Exception):
    """The reason why a call has no answer. Raise ``Rejected``, ``Unavailable`` or ``Failed``.

    ``code`` is in kebab-case. ``message`` is sent to the caller, and must not contain a secret.
    ``detail`` goes to the log alone.
    """

    case = "failed"

    def __init__(self, code: str, message: str, detail: Optional[str] = None) -> None:
        super().__init__(code, message)
        self.problem = Problem(code, message, detail)

    def __str__(self) -> str:
        return f"{self.problem.code}: {self.problem.message}"


class Rejected(ScoreError):
    """This input can never be scored. HTTP answers 422.

    If a message started the call and its trigger has the setting ``park``, the message is
    completed, and a record of it goes to the place that ``park`` names. Otherwise it is delivered
    again.
    """

    case = "rejected"


class Unavailable(ScoreError):
    """A later call may succeed. HTTP answers 503.

    If a message started the call, the message is delivered again. After its last delivery, it is
    handled as after ``Rejected`` if its trigger has the setting ``park``.
    """

    case = "unavailable"


class Failed(ScoreError):
    """The scorer is at fault. HTTP answers 500. A message is handled as after ``Unavailable``.

    After the codes ``store-command`` and ``store-denied``, it is handled as after ``Rejected``.
    """

    case = "failed"


def of_model(error: Any) -> ScoreError:
    """Returns the error for a part of the model that cannot be read."""
    value = getattr(error, "value", None)
    detail = {
        "NotFound": f"the model has no tensor or file `{value}`",
        "OutOfRange": "a range does not lie within its tensor or file",
        "WrongType": f"a tensor of {_name(value)} cannot be read as the type asked for",
        "TooLarge": f"one read may give {value} bytes at most",
    }
    return Failed("model", "the scorer could not read its model", detail.get(case(error), str(error)))


def of_graph(error: Any) -> ScoreError:
    """Returns the error for a graph whose run fails."""
    value = getattr(error, "value", None)
    detail = {
        "NotFound": f"the model has no graph `{value}`",
        "TooLarge": f"the outputs are larger than {value} bytes",
    }
    return Failed("graph", "the scorer's graph gives no answer", detail.get(case(error), str(value)))


# The starts of the texts by which the host says that an operation may succeed later.
_AWAY = "the store cannot be reached now"
_FULL = "the store is full"


def of_store(error: Any) -> ScoreError:
    """Returns the error for an operation of a store that fails."""
    kind, text = case(error), str(getattr(error, "value", ""))
    if kind == "NoSuchStore":
        return _no_such_store()
    if kind == "AccessDenied":
        return _denied(None)
    if text.startswith(_AWAY):
        return _away(text)
    if text.startswith(_FULL):
        return _full(text)
    return _refused(text)


def of_redis(error: Any) -> ScoreError:
    """Returns the error for a Redis command that has no reply."""
    kind, text = case(error), str(getattr(error, "value", ""))
    if kind == "NoSuchConnection":
        return _no_such_store()
    if kind == "Denied":
        return _denied(text)
    if kind == "CrossSlot":
        return _refused(
            "the keys of one command or transaction have different hash slots: give them one {tag}"
        )
    if kind == "Timeout":
        return _away("no answer in time")
    if kind == "Disconnected":
        return _away("not connected")
    if kind == "TooLarge":
        return _refused(f"a reply may have {text} bytes at most; ask for less")
    if text.startswith("OOM"):
        return _full(text)
    if text.startswith("NOPERM"):
        return _denied(text)
    if text.startswith(("MISCONF", "NOREPLICAS")):
        return _away(text)
    return _refused(text)


def of_config(error: Any) -> ScoreError:
    """Returns the error for settings that cannot be read."""
    detail = str(getattr(error, "value", error))
    return Unavailable("config-unavailable", "the scorer could not read its settings", detail)


def _no_such_store() -> ScoreError:
    return Failed(
        "no-such-store",
        "the scorer opened a store that scorebox.toml does not define",
        "scorebox.toml has no `[stores.<name>]` of the name that was opened",
    )


def _denied(detail: Optional[str]) -> ScoreError:
    return Failed("store-denied", "the scorer may not use its store in this way", detail)


def _away(detail: str) -> ScoreError:
    return Unavailable("store-unavailable", "the scorer's store does not answer", detail)


def _full(detail: str) -> ScoreError:
    return Unavailable("store-full", "the scorer's store is full", detail)


def _refused(detail: str) -> ScoreError:
    return Failed("store-command", "the scorer's store refused a command", detail)


def _name(value: Any) -> str:
    return str(getattr(value, "name", value)).lower()
