"""Tests of how a script is loaded and called, and of what becomes of what it returns."""

import unittest

from play import call, play

TEXT = """
import json
def init():
    global seen
    seen = []
def run(raw_data):
    seen.append(1)
    return {"got": raw_data, "calls": len(seen)}
"""


class Inputs(unittest.TestCase):
    def test_an_undecorated_run_gets_the_text_of_the_body(self):
        played = play(
            TEXT,
            [
                call("{not json"),
                call("ä"),
                call(b"\xff"),
                call("", method="GET", query="a=1&b=[1,2]&b=x&c=null"),
            ],
        )
        first, second, third, fourth = played.answers
        self.assertEqual(first.value, {"got": "{not json", "calls": 1})
        self.assertEqual(first.head, {"status": 200, "headers": [], "content_type": "application/json"})
        self.assertEqual(second.value["got"], "ä")
        self.assertEqual((third.ending, third.text[:37]), (2, "Input cannot be decoded as UTF-8: 'ut"))
        self.assertEqual(fourth.value["got"], '{"a": 1, "b": [[1, 2], "x"], "c": null}')
        self.assertEqual(played.contract["mode"], "text")
        self.assertEqual(played.contract["parameters"], [{"name": "raw_data", "required": True}])

    def test_request_headers_are_a_dict_in_title_case(self):
        script = "def init(): pass\ndef run(data, request_headers):\n    h = request_headers\n    return [dict(h), h['x-a'], h.get('X-B'), 'content-type' in h, type(h).__mro__[1].__name__]"
        [answer] = play(script, [call("1", headers=[["x-a", "1"], ["x-a", "2"]])]).answers
        self.assertEqual(
            answer.value,
            [
                {"X-A": "1,2", "Content-Type": "application/json", "Content-Length": "1"},
                "1,2",
                None,
                True,
                "dict",
            ],
        )

    def test_headers_may_be_a_dict(self):
        script = "def init(): pass\ndef run(data, request_headers): return request_headers"
        [answer] = play(script, [call("1", headers={"x-a": "1", "x-b": ["2", "3"]})]).answers
        self.assertEqual(
            answer.value,
            {"X-A": "1", "X-B": "2,3", "Content-Type": "application/json", "Content-Length": "1"},
        )

    def test_the_script_sees_its_folders_and_its_settings(self):
        script = """
import os, helper
from lib.deep import x
def init(): pass
def run(data): return [helper.NAME, x, os.environ["AZUREML_MODEL_DIR"], os.environ["LIMIT"], os.getcwd(), open("labels.txt").read(), __name__, __file__]
"""
        files = {"helper.py": "NAME = 'h'", "lib/deep.py": "x = 1", "labels.txt": "l"}
        value = play(script, [call("1")], files=files, environment={"LIMIT": "3"}).answers[0].value
        self.assertEqual(
            (value[0], value[1], value[3], value[5], value[6]), ("h", 1, "3", "l", "entry_module")
        )
        self.assertTrue(
            value[2].endswith("/model") and value[4].endswith("/app") and value[7].endswith("/app/score.py")
        )

    def test_a_driver_module_is_looked_through(self):
        script = "import inner as driver_module\ndef init(): driver_module.init()\ndef run(x): return 'outer'"
        files = {"inner.py": "def init():\n    global a\n    a = 2\ndef run(data): return a"}
        self.assertEqual(play(script, [call("1")], files=files).answers[0].value, 2)


class Refused(unittest.TestCase):
    def test_a_script_that_cannot_be_served_is_refused_at_start(self):
        for script, expected in (
            ("def run(x): pass", "no function `init`"),
            ("def init(): pass", "no function `run`"),
            ("def init(): pass\ndef run(): pass", "no parameter for the data"),
            ("def init(): pass\ndef run(request_headers): pass", "no parameter for the data"),
            ("def init(): pass\ndef run(*a): pass", "has *args"),
            ("def init(): pass\ndef run(a, /): pass", "positional-only"),
            ("def init(): pass\nasync def run(a): pass", "Define it without `async`."),
            ("def init(): 1 / 0\ndef run(x): pass", 'score.py", line 1, in init'),
            ("import nothing_of_this_name", "No module named 'nothing_of_this_name'"),
            ("def f(:", "SyntaxError"),
            ("import sys\nsys.exit(3)", "SystemExit: 3"),
        ):
            with self.subTest(expected):
                played = play(script, [call("1")])
                self.assertEqual([one.ending for one in played.answers], [1])
                self.assertIn(expected, played.answers[0].text)
                self.assertIsNone(played.contract)


    def test_a_missing_file_is_named_with_those_that_the_model_has(self):
        script = "def init(): open('/model/model/a.pkl')\ndef run(x): pass"
        played = play(script, model={"a.pkl": "x", "deep/b.json": "y"})
        self.assertRegex(played.answers[0].text, r"The model folder .*/model has: a.pkl, deep/b.json$")


class Outputs(unittest.TestCase):
    def test_values_become_json_as_python_writes_it(self):
        for value, expected in (
            ("[1, 2.0, 1e-7]", b"[1, 2.0, 1e-07]"),
            ("{'a': 'é', 1: None}", rb'{"a": "\u00e9", "1": null}'),
            ("'[1, 2]'", b'"[1, 2]"'),
            ("None", b"{}"),
            ("(1, True)", b"[1, true]"),
            ("[float('nan')]", b"[NaN]"),
        ):
            with self.subTest(value):
                [answer] = play(f"def init(): pass\ndef run(x): return {value}", [call("1")]).answers
                self.assertEqual((answer.ending, answer.body), (0, expected))

    def test_a_value_that_json_cannot_hold_is_an_error_that_says_what_to_do(self):
        for value, expected in (
            ("{1, 2}", "Object of type set is not JSON serializable. Return dicts"),
            ("b'x'", "Object of type bytes"),
            ("__import__('array').array('b', [1])", "Return"),
        ):
            [answer] = play(f"def init(): pass\ndef run(x): return {value}", [call("1")]).answers
            self.assertEqual(answer.ending, 1)
            self.assertIn(expected, answer.text)

    def test_a_response_has_its_own_status_and_headers(self):
        script = """
from azureml.contrib.services.aml_response import AMLResponse
def init(): pass
def run(what): return eval(what)
"""
        cases = (
            ("AMLResponse('bad', 400)", (400, [], "text/html; charset=utf-8", b"bad")),
            ("AMLResponse(b'\\x00', 200, {'Content-Type': 'image/jpeg'})", (200, [], "image/jpeg", b"\0")),
            ("AMLResponse({'a': 1}, 201, {}, json_str=True)", (201, [], "application/json", b'{"a": 1}')),
            ("AMLResponse(None, 204)", (204, [], "application/json", b"{}")),
            (
                "AMLResponse('x', 503, {'Retry-After': '7', 'X-A': '1, 2'})",
                (503, [["Retry-After", "7"], ["X-A", "1"], ["X-A", "2"]], "text/html; charset=utf-8", b"x"),
            ),
            (
                "AMLResponse('x', 200, {'Last-Modified': 'Wed, 21 Oct 2015 07:28:00 GMT'})",
                (200, [["Last-Modified", "Wed, 21 Oct 2015 07:28:00 GMT"]], "text/html; charset=utf-8", b"x"),
            ),
            ("AMLResponse(iter(['a', b'b']), 200)", (200, [], "text/html; charset=utf-8", b"ab")),
            (
                "AMLResponse('x', 500, run_function_failed=True)",
                (500, [["x-ms-run-function-failed", "True"]], "text/html; charset=utf-8", b"x"),
            ),
        )
        answers = play(script, [call(what) for what, _ in cases]).answers
        for answer, (what, (status, headers, content_type, body)) in zip(answers, cases):
            with self.subTest(what):
                self.assertEqual(
                    answer.head, {"status": status, "headers": headers, "content_type": content_type}
                )
                self.assertEqual(answer.body, body)


    def test_a_status_that_no_answer_may_have_is_named(self):
        script = """
from azureml.contrib.services.aml_response import AMLResponse
def init(): pass
def run(status): return AMLResponse("x", status)
"""
        answers = play(script, [call("-1"), call("99999")]).answers
        for answer, status in zip(answers, ("-1", "99999")):
            self.assertEqual(answer.ending, 1)
            self.assertIn(f"with the status {status}. Use one from 200 to 599.", answer.text)


class Failures(unittest.TestCase):
    def test_what_the_sandbox_lacks_is_named_with_what_to_do(self):
        script = """
import errno, os
def init(): pass
def run(do):
    try: exec(do, {"os": os})
    except KeyError as error: raise ValueError("outer") from error
"""
        cases = (
            ("import subprocess; subprocess.run(['/nothing/of/this/name'])", "The sandbox has one process."),
            ("os.nothing()", "The sandbox has one process."),
            ("import socket; socket.create_connection(('127.0.0.1', 1))", "The sandbox has no network."),
            ("import socket; socket.nothing", "no network", False),
            ("import urllib.request as r; r.urlopen('http://127.0.0.1:1')", "The sandbox has no network."),
            ("import urllib.parse as p; p.urlsplit(5).x", "no network", False),
            ("raise RuntimeError(\"can't start new thread\")", "The sandbox has one thread."),
            ("raise PermissionError(13, 'no')", "Files are read-only in the sandbox."),
            ("raise ModuleNotFoundError('no', name='xgboost.core')", "set accelerate = true"),
            ("raise ModuleNotFoundError('no', name='_ssl')", "The sandbox has no network."),
            ("from azureml.core import Workspace", "Of azureml, a script has Model.get_model_path"),
            ("raise ModuleNotFoundError('no', name='mine')", "sandbox", False),
            ("raise ValueError('sandbox is not the word')", "The sandbox", False),
        )
        for (do, expected, *has), answer in zip(cases, play(script, [call(one[0]) for one in cases]).answers):
            with self.subTest(do):
                self.assertEqual(answer.ending, 1)
                (self.assertNotIn if has else self.assertIn)(expected, answer.text)

    def test_an_exception_gives_the_scripts_lines_and_the_instance_goes_on(self):
        script = """
import json, sys
def init(): pass
def deeper(x):
    return {"a": 1}[x]
def run(data):
    if data == "exit": sys.exit(3)
    if data == "deep": return run_for_ever(0)
    if data == "ok": return 1
    if data == "unprintable": raise Odd()
    if data == "chain":
        try: deeper("c")
        except KeyError as e: raise ValueError("no") from e
    if data == "long": raise ValueError("x" * 100000)
    return deeper(data)
def run_for_ever(n): return run_for_ever(n + 1)
class Odd(Exception):
    def __str__(self): raise RuntimeError("odd")
"""
        names = ("b", "exit", "deep", "ok", "unprintable", "chain", "long")
        answers = dict(zip(names, play(script, [call(one) for one in names]).answers))
        self.assertEqual([one.ending for one in answers.values()], [1, 1, 1, 0, 1, 1, 1])
        first = answers["b"].text.split("\n")
        self.assertEqual(first[0], "Traceback (most recent call last):")
        self.assertRegex(first[1], r'^  File ".*/app/score.py", line 15, in run$')
        self.assertEqual(first[-1], "KeyError: 'b'")
        self.assertNotIn("scorebox", answers["b"].text)
        self.assertTrue(answers["exit"].text.endswith("SystemExit: 3"))
        self.assertIn("RecursionError", answers["deep"].text)
        self.assertIn("direct cause", answers["chain"].text)
        self.assertLess(len(answers["long"].text), 20000)
        self.assertIn("Odd", answers["unprintable"].text)


class Logs(unittest.TestCase):
    def test_prints_and_records_are_lines_with_levels(self):
        script = """
import logging, sys, warnings
log = logging.getLogger("mine")
def init(): print("in init")
def run(data):
    print("a", 1)
    print("two\\nlines", end="")
    print("to err", file=sys.stderr)
    log.info("info %s", 1); log.debug("not shown"); log.error("error")
    logging.warning("root")
    warnings.warn("careful")
    sys.stdout.flush()
    try: 1 / 0
    except ZeroDivisionError: log.exception("failed")
    return sys.stdout.isatty()
"""
        played = play(script, [call("1")])
        self.assertEqual(played.answers[0].value, False)
        self.assertEqual(played.logs[0], ["i", "in init"])
        lines = [tuple(one) for one in played.logs]
        for line in (
            ("i", "a 1"),
            ("i", "two"),
            ("i", "lines"),
            ("w", "to err"),
            ("i", "info 1"),
            ("e", "error"),
        ):
            self.assertIn(line, lines)
        self.assertIn(("w", "WARNING:root:root"), lines)
        self.assertTrue(any(level == "w" and "UserWarning: careful" in text for level, text in lines))
        self.assertTrue(any(level == "e" and "ZeroDivisionError" in text for level, text in lines))
        self.assertFalse(any("not shown" in text for _, text in lines))

    def test_a_line_without_an_end_is_sent_in_parts(self):
        played = play(
            "def init(): pass\ndef run(x):\n    print('x' * 40000, end='')\n    return 1", [call("1")]
        )
        self.assertEqual([len(text) for _, text in played.logs], [16384, 16384, 7232])


    def test_bytes_and_wrapped_streams_are_lines_too(self):
        script = """
import io, sys
def init():
    sys.stdout.buffer.write("ä".encode()[:1])
    sys.stdout.buffer.write("ä\\n".encode()[1:])
    sys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8")
    print("in init")
def run(x): print("in run", x)
"""
        played = play(script, [call("1"), call("2")])
        self.assertEqual([text for _, text in played.logs], ["ä", "in init", "in run 1", "in run 2"])

    def test_a_very_long_line_takes_little_time(self):
        script = "def init(): pass\ndef run(x):\n    import time\n    begun = time.process_time()\n    print('x' * 20_000_000)\n    return time.process_time() - begun"
        played = play(script, [call("1")])
        self.assertEqual(sum(len(text) for _, text in played.logs), 20_000_000)
        self.assertLess(played.answers[0].value, 5)


class Images(unittest.TestCase):
    def test_an_open_file_keeps_an_image_from_being_taken(self):
        script = "def init():\n    global f\n    f = open(__file__)\ndef run(x): return 1"
        played = play(script, [call("1")], after="scorebox_world.taken()")
        self.assertRegex(
            played.stderr, r"RuntimeError: The script keeps files open after init\(\): .*score.py"
        )
        played = play(
            script.replace("f = open(__file__)", "open(__file__).read()"),
            [call("1")],
            after="scorebox_world.taken()",
        )
        self.assertEqual(played.answers[0].value, 1)

    def test_instances_of_one_image_draw_different_numbers(self):
        script = "import random\ndef init(): random.seed(1)\ndef run(x): return random.random()"
        first, second = (
            play(script, [call("1")], after=after).answers[0].value
            for after in ("", "scorebox_world.resumed()")
        )
        self.assertEqual(first, 0.13436424411240122)
        self.assertNotEqual(first, second)


if __name__ == "__main__":
    unittest.main()
