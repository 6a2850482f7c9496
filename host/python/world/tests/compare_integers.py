"""Compares integers of the sandbox's numpy with those of 64-bit numpy, by the table integer_expressions.txt.

Usage:
    python compare_integers.py script              prints the Python text to run on both sides
    python compare_integers.py NATIVE SANDBOX      compares the two outputs; exit code 1 if a value differs

An expression that the sandbox refuses counts as right, because an error cannot be mistaken for an answer.
"""

import json
import pathlib
import sys

HERE = pathlib.Path(__file__).parent

# Made on 64-bit Linux with numpy 2.5.2 and pandas 3, by pickle protocol 4 and `numpy.save`.
PICKLES = json.loads((HERE / "integer_pickles.json").read_text())


def script():
    lines = (HERE / "integer_expressions.txt").read_text().splitlines()
    expressions = [line for line in lines if line and not line.startswith("#")]
    head = f"EXPRESSIONS = {expressions!r}\nPICKLES = {PICKLES!r}\n"
    return head + (HERE / "integer_evaluation.py").read_text()


def read(path):
    return dict(json.loads(line) for line in open(path) if line.startswith("["))


def equal(left, right):
    if isinstance(left, list) and isinstance(right, list):
        if left[:1] == ["float"] == right[:1]:
            return abs(left[1] - right[1]) <= 1e-9 * max(1.0, abs(left[1]))
        return len(left) == len(right) and all(map(equal, left, right))
    return type(left) is type(right) and left == right


def main():
    if sys.argv[1] == "script":
        return print(script())
    native, sandbox = read(sys.argv[1]), read(sys.argv[2])
    wrong, refused, kinds = [], [], []
    for text, want in native.items():
        got = sandbox.get(text, {"value": "missing"})
        if "error" in got:
            if "error" not in want:
                refused.append((text, got["error"]))
        elif "error" in want or not equal(want["value"], got["value"]):
            wrong.append((text, want, got))
        elif want["kind"] != got["kind"]:
            kinds.append((text, want["kind"], got["kind"]))
    for text, want, got in wrong:
        print(f"WRONG    {text}\n    native  {json.dumps(want)[:300]}\n    sandbox {json.dumps(got)[:300]}")
    for text, error in refused:
        print(f"refused  {text}\n    {error}")
    for text, want, got in kinds:
        print(f"dtype    {text}: {want}, in the sandbox {got}")
    print(f"{len(native)} expressions: {len(wrong)} wrong, {len(refused)} refused, {len(kinds)} of another dtype")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
