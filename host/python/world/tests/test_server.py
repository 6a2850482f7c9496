"""Tests that a script is called as on the retired server, by playing it on both.

They need `azureml-inference-server-http`, which brings numpy's and pandas' types of
`inference_schema`.
"""

import base64
import importlib.util
import json
import unittest

from play import call, play

NUMPY = """
import numpy as np
from inference_schema.parameter_types.numpy_parameter_type import NumpyParameterType
from inference_schema.schema_decorators import input_schema, output_schema
def init(): pass
@input_schema("data", NumpyParameterType(np.array([[1.0, 2.0, 3.0]])))
@output_schema(NumpyParameterType(np.array([14.0])))
def run(data, scale=1, request_headers=None):
    return (data.sum(axis=1) * scale).tolist() + [(request_headers or {}).get("X-A", "-")]
"""

PANDAS = """
import pandas as pd
from inference_schema.parameter_types.pandas_parameter_type import PandasParameterType
from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType as Plain
from inference_schema.schema_decorators import input_schema, output_schema
sample = pd.DataFrame({"age": [41], "income": [5.5], "member": [True], "name": ["x"]})
def init(): pass
@input_schema("Inputs", Plain({"rows": PandasParameterType(sample)}))
@input_schema("GlobalParameters", Plain({"method": "predict"}))
@output_schema(Plain({"Results": [1.5]}))
def run(Inputs, GlobalParameters):
    frame = Inputs["rows"]
    return {"Results": frame.to_dict("records"), "types": [str(one) for one in frame.dtypes], "how": GlobalParameters}
"""

DECORATED = """
import functools, json
import numpy as np
import scorebox_schema
import wrapt
from inference_schema.parameter_types.numpy_parameter_type import NumpyParameterType as Array
from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType as Plain
from inference_schema.schema_decorators import input_schema, output_schema
def schema(sample, **settings):
    return input_schema("data", Array(np.zeros(sample, dtype=settings.pop("dtype", float)), **settings))
class Arrays(unittest.TestCase):
    def test_only_types_that_convert_a_list_as_numpy_does_leave_it_to_the_host(self):
        found = play(DECORATED, [call("")]).answers[0].value
        three = {"data": [3]}
        self.assertEqual(
            found,
            {
                "plain": three,
                "beside another": {"data": [2, 4]},
                "within a wrapper": {},
                "around a wrapper": three,
                "around a partial": three,
                "twice": three,
                "second": {},
                "loose": {},
                "own": {},
                "none": {},
            },
        )


class Wrapper:
    def __call__(self, wrapped, instance, args, kwargs):
        return wrapped(*args, **kwargs)
def foreign(wrapped, instance, args, kwargs):
    return wrapped(*args, **kwargs)
own = Array(np.zeros((1, 3)))
own.deserialize_input = lambda value: value
cases = {
    "plain": [schema((1, 3)), output_schema(Array(np.zeros(1)))],
    "beside another": [input_schema("other", Plain(1)), schema((1, 2, 4))],
    "within a wrapper": [lambda run: wrapt.FunctionWrapper(run, foreign), schema((1, 3))],
    "around a wrapper": [schema((1, 3)), lambda run: wrapt.FunctionWrapper(run, Wrapper())],
    "around a partial": [schema((1, 3)), lambda run: wrapt.FunctionWrapper(run, functools.partial(foreign))],
    "twice": [schema((1, 3)), schema((1, 2))],
    "second": [schema((1, 2), dtype=int), schema((1, 2))],
    "loose": [schema((1, 2), enforce_shape=False)],
    "own": [input_schema("data", own)],
    "none": [lambda run: wrapt.FunctionWrapper(run, functools.partial(foreign))],
}
def decorated(name):
    def run(data, other=None): pass
    run.__qualname__ = name
    for decorator in reversed(cases[name]):
        run = decorator(run)
    return run
def init(): pass
def run(data):
    return {name: {key: list(shape) for key, shape in scorebox_schema.arrays_of(decorated(name)).items()} for name in cases}
"""

TEXT = """
import json
def init(): pass
def run(data):
    if data == "raise": raise ValueError("no")
    if data == "none": return None
    if data == "set": return {1}
    return [data, len(data)]
"""

RAW = """
from azureml.contrib.services.aml_request import AMLRequest, rawhttp
from azureml.contrib.services.aml_response import AMLResponse
def init(): pass
@rawhttp
def run(request):
    if request.path != "/score": raise ValueError
    if request.args.get("what") == "answer":
        return eval(request.get_data(as_text=True))
    names = ("method path query_string content_type mimetype mimetype_params is_json full_path url base_url "
             "host content_length url_root host_url").split()
    seen = {name: repr(getattr(request, name)) for name in names}
    seen["args"] = [request.args.get("a"), request.args.getlist("a"), dict(request.args.to_dict()), request.args.get("n", type=int)]
    seen["items"] = [list(request.args.items()), list(request.args.items(multi=True)), list(request.args.lists())]
    seen["headers"] = [request.headers.get("x-a"), request.headers["X-A"] if "x-a" in request.headers else 0, request.headers.get("nope", 3)]
    seen["all headers"] = sorted([k, v] for k, v in request.headers.items() if k not in ("Host", "User-Agent"))
    seen["json"] = request.get_json(silent=True)
    seen["forced"] = request.get_json(force=True, silent=True)
    if request.mimetype.startswith("multipart") or request.mimetype.endswith("urlencoded"):
        seen["form"] = [request.form.to_dict(), request.form.getlist("a"), sorted(request.values.lists())]
        seen["files"] = [[name, f.filename, f.content_type, repr(f.read())] for name, f in sorted(request.files.items())]
    else:
        seen["data"] = repr([request.data, request.get_data(), request.get_data(as_text=True)])
    seen["cookies"] = request.cookies.get("c")
    return seen
"""


@unittest.skipUnless(
    importlib.util.find_spec("azureml_inference_server_http"), "the retired server is not installed"
)
class Server(unittest.TestCase):
    maxDiff = None

    def assert_equal(self, script, calls):
        """Plays calls on both, and compares their answers."""
        native = play(script, calls, server="native_server.py")
        played = play(script, calls)
        self.assertEqual(len(played.answers), len(native), played.stderr)
        for index, (one, theirs) in enumerate(zip(played.answers, native)):
            status, headers, body = (
                theirs[0],
                dict(map(tuple, reversed(theirs[1]))),
                base64.b64decode(theirs[2]),
            )
            with self.subTest(
                calls[index]["body"] and base64.b64decode(calls[index]["body"])[:200], index=index
            ):
                if one.ending == 2 and status == 400:
                    self.assertEqual(one.text, json.loads(body)["message"])
                elif one.ending:
                    # The retired server says of a request that a type refuses that the script failed.
                    self.assertEqual(status, 500, (one.text, body))
                else:
                    self.assertEqual((one.status, one.body), (status, body))
                    self.assertEqual(one.head["content_type"], headers["Content-Type"])
        return played, native

    def test_object(self):
        bodies = (
            {"data": [[1, 2, 3]]},
            {"data": [[1, 2, 3], [4, 5, 6]], "scale": 2, "x": 1},
            {"data": [["1", "2", "3"]]},
            {"data": [[True, False, True]]},
            b'{"data": [[1, null, 3]]}',
            b'{"data": [[NaN, 2, Infinity]]}',
            b'{"data": [[1e400, 2, 3]]}',
            b'{"data": [[1, 2, 3]], "data": [[4, 5, 6]]}',
            b'\xef\xbb\xbf{"data": [[1, 2, 3]]}',
            '{"data": [[1, 2, 3]]}'.encode("utf-16"),
            {"data": []},
            {"data": [[1, 2]]},
            {"data": [1, 2]},
            {"data": "x"},
            {"data": {"a": 1}},
            {"data": [["x", 1, 2]]},
            b"",
            b"{",
            b"[1]",
            {"wrong": 1},
        )
        calls = [call(body, headers=[["x-a", "7"]]) for body in bodies]
        calls += [
            call("", method="GET", query="data=[[1,2,3]]"),
            call("", method="GET", query="data=1&data=2"),
        ]
        played, _ = self.assert_equal(NUMPY, calls)
        self.assertEqual([one.ending for one in played.answers], [0] * 10 + [2] * 10 + [0, 2])
        self.assertEqual(
            played.answers[11].text,
            "Invalid input array: array has size 2 on dimension #1, while expected value is 3",
        )

    def test_frames(self):
        row = {"age": 41, "income": 5.5, "member": True, "name": "x"}
        rows = (
            [row],
            [row, {**row, "age": "42", "member": 0, "name": None}],
            [{**row, "income": 3}],
            [{**row, "age": 41.7}],
            [{**row, "more": 1}],
            [{"age": 1}],
            [row, {"age": 2}],
            [],
        )
        calls = [call({"Inputs": {"rows": one}, "GlobalParameters": {"method": "p"}}) for one in rows]
        calls += [
            call({"Inputs": {}, "GlobalParameters": {"method": "p"}}),
            call({"Inputs": [], "GlobalParameters": {}}),
        ]
        self.assert_equal(PANDAS, calls)

    def test_text(self):
        bodies = ("", "{", "ä", b"\xff\xfe", "raise", "none", "set", b"\xef\xbb\xbf1")
        calls = [call(body) for body in bodies] + [
            call("x", content_type="text/plain"),
            call("", method="GET", query="a=1&b=ä&b=[2]&a"),
        ]
        self.assert_equal(TEXT, calls)

    def test_raw(self):
        form = b'--B\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--B\r\nContent-Disposition: form-data; name="f"; filename="x \\"y\\".bin"\r\nContent-Type: image/png\r\n\r\n\x00\r\n--\xff\r\n--B\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n--B--\r\n'
        headers = [["Host", "localhost"]]
        answers = (
            "AMLResponse('bad', 400)",
            "AMLResponse(b'\\x00', 200, {'Content-Type': 'image/jpeg'})",
            "AMLResponse({'a': 1}, 201, {}, json_str=True)",
            "AMLResponse(None, 200)",
            "AMLResponse('x', 503, {'Retry-After': '7', 'X-A': '1, 2'})",
            "[1, 2]",
            "AMLResponse(iter(['a', 'b']), 200)",
            "__import__('flask').Response(b'x', 418, {'X-A': '1, 2'}, mimetype='text/csv')",
        )
        calls = [
            call(
                '{"a": 1}', headers=headers + [["x-a", "1"], ["cookie", 'b=1; c="2"']], query="a=1&a=2&n=5&e="
            ),
            call("{", headers=headers),
            call("x", content_type="text/plain; charset=latin-1", headers=headers, query="a=%20x+b"),
            call('{"a": 1}', content_type="application/ld+json", headers=headers),
            call(
                "a=1&b=%20x&a=",
                content_type="application/x-www-form-urlencoded",
                headers=headers,
                query="b=2",
            ),
            call(form, content_type='multipart/form-data; boundary="B"', headers=headers),
            call("", method="GET", headers=headers, query="a=1"),
            call("", method="OPTIONS", headers=headers),
        ]
        calls += [call(answer, query="what=answer", headers=headers) for answer in answers]
        played, native = self.assert_equal(RAW, calls)
        answer, theirs = played.answers[12], native[12]
        self.assertEqual(answer.head["headers"], [["Retry-After", "7"], ["X-A", "1"], ["X-A", "2"]])
        self.assertEqual(
            [pair for pair in theirs[1] if pair[0] in ("Retry-After", "X-A")], answer.head["headers"]
        )

    def test_contract(self):
        swagger = play(
            NUMPY,
            [call("", method="GET", path="/swagger.json", query="version=3")],
            server="native_server.py",
        )
        schemas = json.loads(base64.b64decode(swagger[0][2]))["components"]["schemas"]
        contract = play(NUMPY).contract
        self.assertEqual(contract["input"], schemas["ServiceInput"])
        self.assertEqual(contract["output"], schemas["ServiceOutput"])
        self.assertEqual(contract["versions"], ["2.0", "3.0", "3.1"])
        self.assertEqual(contract["mode"], "object")
        required = [(one["name"], one["required"]) for one in contract["parameters"]]
        self.assertEqual(required, [("data", True), ("scale", False)])
        self.assertEqual(play(TEXT).contract.get("input"), None)

    def test_a_sample_without_a_number_is_null_in_the_contract(self):
        contract = play(NUMPY.replace("[[1.0, 2.0, 3.0]]", "[[1.0, np.nan, np.inf]]")).contract
        self.assertEqual(contract["input"]["example"]["data"], [[1.0, None, None]])

    def test_both_decorators_are_refused(self):
        script = "from azureml_inference_server_http.api.aml_request import rawhttp\n" + NUMPY.replace(
            "def run", "@rawhttp\ndef run"
        )
        self.assertIn("both @rawhttp and @input_schema", play(script).answers[0].text)


if __name__ == "__main__":
    unittest.main()
