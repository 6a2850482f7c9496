"""The author's script: how it is loaded, and how a request becomes a call of its `run`.

Owns the three ways in which the retired server calls a script: with the text of the body, with
the values of a JSON object, or with the request itself. Must not know messages.
"""

import importlib.util
import inspect
import json
import os
import sys
from types import ModuleType

import scorebox_azureml
import scorebox_json
import scorebox_schema
import scorebox_views
from scorebox_headers import RequestHeaders
from scorebox_request import AMLRequest, BadRequest

_NAME = "entry_module"
"""Name of the script as a module, which is that of the retired server."""


class ScriptError(Exception):
    """The script cannot be served."""


class Script:
    """A script that was loaded."""

    def __init__(self, path):
        self._module = _loaded(path)
        for name in ("init", "run"):
            if not callable(getattr(self._module, name, None)):
                raise ScriptError(f"{os.path.basename(path)} has no function `{name}`. Define `{name}`.")
        # A script that Azure ML generated around another script has it as its `driver_module`.
        inner = getattr(self._module, "driver_module", None)
        has_inner = isinstance(inner, ModuleType) and hasattr(inner, "run")
        self._run = inner.run if has_inner else self._module.run
        self._parameters = _parameters(self._run)
        self._has_headers = "request_headers" in self._parameters
        self._parameters.pop("request_headers", None)
        if inspect.iscoroutinefunction(self._run):
            raise ScriptError("run() is `async`, and nothing awaits its answer. Define it without `async`.")
        if not self._parameters:
            raise ScriptError("run() has no parameter for the data. Give it one, such as `run(data)`.")
        self._first = next(iter(self._parameters))
        self._reader = scorebox_json.Reader(scorebox_schema.arrays_of(self._run))
        self.mode = self._chosen_mode()

    def init(self):
        """Runs the script's `init`."""
        self._module.init()

    def facts(self):
        """Returns the contract of the script with its callers.

        `mode` is `text`, `object` or `raw`. `parameters` says which names an object must have. A
        script of the mode `object` also has the schemas that its decorators state.
        """
        parameters = [
            {"name": name, "required": one.default is inspect.Parameter.empty}
            for name, one in self._parameters.items()
        ]
        facts = {"mode": self.mode, "parameters": parameters, "request_headers": self._has_headers}
        if self.mode == "object":
            facts.update(scorebox_schema.stated_by(self._run))
        return facts

    def run(self, attributes, body):
        """Runs the script for a request, and returns what it returns.

        `attributes` is JSON. Raises `BadRequest` if the request does not fit the script.
        """
        if self.mode != "raw" and not self._has_headers and b'"GET"' not in attributes:
            # Reading the attributes takes longer than the rest of the call.
            return self._run(**self._of_body(body))
        request = AMLRequest(json.loads(attributes or b"{}"), body)
        arguments = self._of_request(request)
        if self._has_headers:
            arguments["request_headers"] = RequestHeaders(request.headers)
        return self._run(**arguments)

    def _chosen_mode(self):
        is_decorated = scorebox_schema.is_decorated(self._run)
        if not scorebox_azureml.rawhttp_was_used():
            return "object" if is_decorated else "text"
        if is_decorated:
            raise ScriptError("run() has both @rawhttp and @input_schema. Remove one of them.")
        return "raw"

    def _of_request(self, request):
        if self.mode == "raw":
            return {self._first: request}
        if request.method != "GET":
            return self._of_body(request.data)
        given = _query(request.args)
        return self._picked(given) if self.mode == "object" else {self._first: json.dumps(given)}

    def _of_body(self, body):
        if self.mode == "object":
            return self._picked(_object(self._reader, body))
        try:
            return {self._first: str(body, "utf-8")}
        except UnicodeDecodeError as error:
            raise BadRequest(f"Input cannot be decoded as UTF-8: {error}") from None

    def _picked(self, given):
        picked = {}
        for name, parameter in self._parameters.items():
            picked[name] = given.get(name, parameter.default)
            if picked[name] is inspect.Parameter.empty:
                raise BadRequest(f"A value is not provided for the {name!r} parameter.")
        return picked


def _loaded(path):
    spec = importlib.util.spec_from_file_location(_NAME, path, loader=scorebox_views.loader_of(_NAME, path))
    module = importlib.util.module_from_spec(spec)
    sys.modules[_NAME] = module
    spec.loader.exec_module(module)
    return module


def _parameters(run):
    parameters = dict(inspect.signature(run).parameters)
    if any(one.kind not in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY) for one in parameters.values()):
        raise ScriptError(
            "run() has *args, **kwargs or a positional-only parameter. Give its parameters names."
        )
    return parameters


def _query(args):
    given = {}
    for name, texts in args.lists():
        values = [_value(text) for text in texts]
        given[name] = values[0] if len(values) == 1 else values
    return given


def _value(text):
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _object(reader, body):
    if not body:
        raise BadRequest("POST body is empty. Expecting a JSON dictionary.")
    try:
        given = reader.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"POST body could not be decoded as JSON: {error}") from None
    if not isinstance(given, dict):
        raise BadRequest("POST body should be a JSON dictionary.")
    return given
