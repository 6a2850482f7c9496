"""Starts the cases of a script, and imports a part of a package without the rest.

Owns the command line, the plain HTTP request and the comparison of arrays. Must not know any client.

    python3 SCRIPT CASE [NAME=ADDRESS…]
"""

import http.client
import importlib.util
import json
import sys
import types

import numpy as np

MODEL = "/v2/models/served"


def main(*cases):
    """Runs the case that the first argument names. The others say at which address each host listens."""
    chosen = {case.__name__: case for case in cases}[sys.argv[1]]
    chosen(**dict(argument.split("=", 1) for argument in sys.argv[2:]))


def without_start(package):
    """Lets modules of a package be imported without its `__init__.py`, which imports a whole server."""
    found = importlib.util.find_spec(package)
    module = types.ModuleType(package)
    module.__path__ = list(found.submodule_search_locations)
    sys.modules[package] = module


def sent(address, path, body=None, headers=None):
    """Sends a request, `POST` if it has a body, and returns the response with its body in `content`."""
    connection = http.client.HTTPConnection(address, timeout=60)
    try:
        connection.request("GET" if body is None else "POST", path, body, headers or {})
        response = connection.getresponse()
        response.content = response.read()
        return response
    finally:
        connection.close()


def taken(address, body, headers=None):
    """Returns the body of the answer to a request in JSON, which must succeed."""
    response = sent(address, MODEL + "/infer", body, headers or {"content-type": "application/json"})
    assert response.status == 200, response.content
    return response.content


def refused(address, body, part):
    """Asserts that a request in JSON is 400, and that the message and the protocol's `error` hold a part."""
    response = sent(address, MODEL + "/infer", body, {"content-type": "application/json"})
    problem = json.loads(response.content)
    assert response.status == 400 and part in problem["message"], (response.status, problem)
    assert problem["error"] == problem["message"], problem


def same(given, expected):
    """Asserts that an array has the type, the shape and the values of another. NaN equals NaN."""
    assert given is not None, expected
    kinds = given.dtype == expected.dtype and given.shape == expected.shape
    assert kinds, (given.dtype, given.shape, expected.dtype, expected.shape)
    equal = {"equal_nan": True} if expected.dtype.kind == "f" else {}
    assert np.array_equal(given, expected, **equal), (given, expected)
