"""Calls of `run`, as Azure ML's server makes them.

Owns which arguments `run` gets, and what becomes of its result. Must not know where requests come
from. The rules are those of azureml-inference-server-http 1.5: a decorated `run` gets the values of
the JSON object by name, an undecorated one gets the body as text.
"""

import inspect
import json


class Unfit(Exception):
    """A script or a request that cannot be recorded."""


def parsed(run):
    """Returns `run` as a function of the request's body."""
    found = list(inspect.signature(run).parameters.values())
    with_headers = any(one.name == "request_headers" for one in found)
    found = [one for one in found if one.name != "request_headers"]
    if not found:
        raise Unfit("`run` takes no argument for the request")
    more = {"request_headers": {"Content-Type": "application/json"}} if with_headers else {}
    if is_raw():
        return lambda body: run(**{found[0].name: raw_request(body)}, **more)
    if is_decorated(run):
        return lambda body: run(**values(found, body), **more)
    return lambda body: run(**{found[0].name: body}, **more)


def answer(run, body):
    """Calls `run` with the body of a request, and returns the answer's body as text."""
    result = run(body)
    if hasattr(result, "get_data") and hasattr(result, "status_code"):
        if result.status_code >= 400:
            raise Unfit(f"the script answers with the status {result.status_code}")
        text = result.get_data(as_text=True)
    else:
        try:
            text = json.dumps({} if result is None else result, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise Unfit(
                f"the answer cannot be written as JSON: {error}. Return dicts, lists, texts, numbers, booleans and "
                "None; `tolist()` makes a list of an array"
            ) from None
    try:
        json.loads(text, parse_constant=refuse_constant)
    except ValueError as error:
        raise Unfit(f"the answer is not JSON: {error}") from None
    return text


def refuse_constant(name):
    raise ValueError(f"{name} is not a number of JSON")


def values(parameters, body):
    """Returns the arguments of a decorated `run`."""
    document = json.loads(body)
    if not isinstance(document, dict):
        raise Unfit("the request is not a JSON object, and `run` is decorated with `input_schema`")
    found = {}
    for one in parameters:
        value = document.get(one.name, one.default)
        if value is inspect.Parameter.empty:
            raise Unfit(f"the request has no value for `{one.name}`")
        found[one.name] = value
    return found


def is_decorated(run):
    try:
        from inference_schema.schema_util import is_schema_decorated
    except ImportError:
        return False
    return is_schema_decorated(run)


def is_raw():
    """Returns True if the script decorated a function with `rawhttp`."""
    import sys

    names = ["azureml_inference_server_http.api.aml_request", "azureml.contrib.services.aml_request"]
    return any(getattr(sys.modules.get(name), "_rawHttpRequested", False) for name in names)


def raw_request(body):
    """Returns the request object for a `run` that is decorated with `rawhttp`."""
    try:
        from flask import Request
        from werkzeug.test import EnvironBuilder
    except ImportError:
        raise Unfit("`rawhttp` needs flask: install azureml-inference-server-http into the environment") from None
    builder = EnvironBuilder(path="/score", method="POST", data=body.encode(), content_type="application/json")
    return Request(builder.get_environ())
