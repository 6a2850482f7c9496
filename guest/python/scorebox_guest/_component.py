"""The exports of a scorer's component, which call the functions of the author's class.

Owns the search for the class, the conversion between the types of the contract and those of this
package, and tracebacks. Must not know what a scorer computes. `scorebox build` writes a module that
calls `export` of this one.
"""

from __future__ import annotations

import json
import sys
import traceback
from types import ModuleType
from typing import Any, Dict, Optional

from . import _host, scorer
from ._host import Err
from .errors import ScoreError
from .invocation import HttpRequest, Invocation, Source
from .payload import JSON, Payload, answer
from .tensor import Dtype, NamedTensor

# Setting of [config] that sends tracebacks to callers. It is for development.
TRACEBACKS = "scorebox-tracebacks"

_BASES = (scorer.Scorer, scorer.JsonScorer, scorer.TensorScorer)


def export(module: ModuleType, world: str) -> Dict[str, Any]:
    """Returns the classes that the component of a module exports, by the names of their interfaces.

    ``world`` is ``scoring`` or ``tensor-scoring``. Raises ``TypeError`` if the module does not have
    the scorer that the world needs.
    """
    _host.load()
    name = "TensorScorer" if world == "tensor-scoring" else "Scorer"
    found = find(module)
    if found is None:
        raw = getattr(module, name, None)
        if isinstance(raw, type) and raw not in _BASES:
            # The class implements the bindings itself.
            return {name: raw}
        raise TypeError(f"{module.__name__}.py has no class that extends JsonScorer, Scorer or TensorScorer")
    is_tensors = issubclass(found, scorer.TensorScorer)
    if is_tensors != (name == "TensorScorer"):
        where, kind = f"{module.__name__}.py", found.__name__
        raise TypeError(
            f"{kind} extends TensorScorer, and {where} does not mention TensorScorer; import it there"
            if is_tensors
            else f"{where} mentions TensorScorer, and {kind} does not extend it; remove the name there"
        )
    return {name: _tensors(found) if is_tensors else _payloads(found)}


def find(module: ModuleType) -> Optional[type]:
    """Returns the only class of a module that extends a scorer class of this package.

    Returns ``None`` if there is none. Raises ``TypeError`` if there are several.
    """
    kinds = (scorer.Scorer, scorer.TensorScorer)
    found = {
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, kinds) and value not in _BASES
    }
    # A class that another one extends is a base of the author's own.
    last = [one for one in found if not any(other is not one and issubclass(other, one) for other in found)]
    if len(last) > 1:
        names = ", ".join(sorted(one.__name__ for one in last))
        raise TypeError(f"{module.__name__}.py has several scorers: {names}; keep one of them")
    return last[0] if last else None


def _payloads(author: type) -> type:
    types = _host.interface("types")
    takes_json = issubclass(author, scorer.JsonScorer)
    errors = _Errors(types)
    scored = author()

    class Scorer:
        def describe(self):
            found = scored.describe()

            def shape(one):
                examples = [types.Example(each.name, _payload(types, each.value)) for each in one.examples]
                return types.Shape(list(one.content_types), one.json_schema, examples)

            return types.Signature(shape(found.input), shape(found.output), found.deterministic)

        def init(self):
            try:
                scored.init()
            except Exception as error:
                raise Err(errors.problem(error, False)) from None

        def run(self, call, input):
            try:
                payload = Payload(input.content_type, input.body)
                value = payload.to_json() if takes_json else payload
                found = answer(scored.run(_invocation(call), value))
                return types.Answer(_payload(types, found.payload), found.status, list(found.headers))
            except MemoryError:
                # Not caught, so that the host ends the instance: its memory would never shrink.
                raise
            except Exception as error:
                raise Err(errors.of(error)) from None

    return Scorer


def _tensors(author: type) -> type:
    from wit_world.exports import tensor_scorer as wit

    types, model = _host.interface("types"), _host.interface("model")
    errors = _Errors(types)
    scored = author()
    dtypes = {dtype: getattr(model.Dtype, dtype.name) for dtype in Dtype}
    names = {found: dtype for dtype, found in dtypes.items()}

    class TensorScorer:
        def describe(self):
            found = scored.describe()
            inputs = [
                wit.InputPort(
                    port.name,
                    dtypes[port.dtype],
                    list(port.shape),
                    getattr(port, "missing", False),
                    getattr(port, "boolean", False),
                    list(getattr(port, "columns", ())),
                )
                for port in found.inputs
            ]
            outputs = [model.Port(port.name, dtypes[port.dtype], list(port.shape)) for port in found.outputs]
            examples = []
            if found.example is not None:
                body = json.dumps(found.example).encode()
                examples = [types.Example("one", types.Payload(JSON, body))]
            return wit.TensorSignature(inputs, outputs, found.batchable, found.deterministic, examples)

        def init(self):
            try:
                scored.init()
            except Exception as error:
                raise Err(errors.problem(error, False)) from None

        def run(self, calls, inputs):
            try:
                tensors = [NamedTensor(one.name, names[one.dtype], one.shape, one.data) for one in inputs]
                found = scored.run([_invocation(call) for call in calls], tensors)
                return [
                    wit.NamedTensor(one.name, dtypes[one.dtype], list(one.shape), bytes(one.data))
                    for one in found
                ]
            except MemoryError:
                # Not caught, so that the host ends the instance: its memory would never shrink.
                raise
            except Exception as error:
                raise Err(errors.of(error)) from None

    return TensorScorer


def _payload(types: Any, payload: Payload) -> Any:
    return types.Payload(payload.content_type, bytes(payload.body))


def _invocation(call: Any) -> Invocation:
    http = call.http and HttpRequest(call.http.method, call.http.path, call.http.query)
    attributes = [(name, getattr(value, "value", None)) for name, value in call.attributes]
    source = Source(call.source.name.lower().replace("_", "-"))
    return Invocation(call.id, source, call.attempt, call.deadline_ms, http, attributes)


class _Errors:
    """Converts exceptions of the author's code to errors of the contract."""

    def __init__(self, types: Any) -> None:
        self.types = types
        self.cases = {
            "rejected": types.ScoreError_Rejected,
            "unavailable": types.ScoreError_Unavailable,
            "failed": types.ScoreError_Failed,
        }

    def of(self, error: Exception) -> Any:
        case = error.case if isinstance(error, ScoreError) else "failed"
        return self.cases[case](self.problem(error, True))

    def problem(self, error: Exception, in_call: bool) -> Any:
        if isinstance(error, ScoreError):
            found = error.problem
            return self.types.Problem(found.code, found.message, found.detail)
        text = shown(error)
        message = "the scorer raised an exception"
        if in_call and _tells_callers():
            message = f"{message}: {text}"
        return self.types.Problem("exception", message, text)


def shown(error: BaseException) -> str:
    """Returns the traceback of an exception, with the author's frames only."""
    found = traceback.TracebackException.from_exception(error, lookup_lines=False)
    lines = []
    for frame in found.stack:
        if "scorebox_guest/_component" in frame.filename:
            continue
        lines.append(f'  File "{_short(frame.filename)}", line {frame.lineno}, in {frame.name}')
    words = "".join(found.format_exception_only()).strip()
    return "\n".join(["Traceback (most recent call last):", *lines, words])


def _short(path: str) -> str:
    """Returns the path of a module relative to the folder that it was imported from."""
    folders = sorted((folder for folder in sys.path if folder), key=len, reverse=True)
    for folder in folders:
        if path.startswith(folder.rstrip("/") + "/"):
            return path[len(folder.rstrip("/")) + 1 :]
    return path


def _tells_callers() -> bool:
    try:
        return _host.interface("config").get(TRACEBACKS) == "answer"
    except Exception:
        return False
