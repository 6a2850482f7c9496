"""One model, from a pickle to a graph that gives the same answers: the process that `cargo xtask convert` starts.

Owns the order of the steps, the bound on memory, and the form of what goes in (standard input) and out (a file): JSON
both times. Must not know how any step works. This is the only process that loads the pickle, and loading runs what its
author wrote; so nothing here is trusted afterwards: the caller takes the answer for text, and checks what it can itself.
"""

import ctypes
import gc
import importlib.util
import json
import os
import resource
import signal
import sys
import traceback

# PR_SET_PDEATHSIG of prctl(2).
_SET_PARENT_DEATH_SIGNAL = 1


def main():
    request = json.load(sys.stdin)
    # A short life: collecting what importing leaves behind would take a sixth of it.
    gc.disable()
    # Before anything is imported or loaded. An allocation above it is a MemoryError, or ends the process.
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (request["memory_bytes"], hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _end_with(request["parent"], request["seconds"])
    from refusal import Refused

    try:
        outcome = _lacking() or convert(request)
    except Refused as refused:
        traceback.print_exc()
        outcome = refused.outcome()
    except MemoryError:
        traceback.print_exc()
        outcome = Refused(
            f"needs more than {request['memory_bytes'] >> 20} MiB of memory",
            "allow more with --memory, if this model is to be that large",
        ).outcome()
    with open(request["outcome"], "w", encoding="utf-8") as file:
        json.dump(outcome, file, allow_nan=False)


def _end_with(parent, seconds):
    """Ends this process with the command that started it, and after its time even if the command cannot end it.

    It has a group of its own, which an interrupt of the command does not reach.
    """
    signal.alarm(seconds)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    most = seconds if hard == resource.RLIM_INFINITY else min(seconds, hard)
    # The clock above can be stopped by what a pickle runs; this one cannot be raised again.
    resource.setrlimit(resource.RLIMIT_CPU, (most, most))
    ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    # A command that ended before that call sends no signal; then another process has inherited this one.
    if os.getppid() != parent:
        os._exit(1)


def _lacking():
    """What a Python of somebody's own lacks."""
    for module in ("sklearn", "joblib", "pandas", "skl2onnx", "onnxruntime"):
        if importlib.util.find_spec(module) is None:
            pip = f"{sys.executable} -m pip install scikit-learn pandas skl2onnx onnxruntime"
            problem = f"{sys.executable}: has no module `{module}`"
            return {"kind": "lacking", "problem": problem, "fix": f"install what is missing: {pip}"}
    return None


def convert(request):
    """Runs every step, and returns what the caller writes into its report."""
    import advice
    import attempts
    import comparison
    import converters
    import estimators
    import generation
    import graphs
    import inputs
    import loading
    import samples
    import sparse
    import takes
    import versions

    warnings = []
    model = loading.load(request["source"], request["other_version"], warnings)
    estimators.check(model)
    layout = inputs.Layout.of(model, request["inputs"], request["sample"])
    hints = generation.hints(model, layout)
    given = None if request["sample"] is None else samples.read(request["sample"], layout, [])
    layout = takes.find(model, layout, hints, given, warnings)
    takes.tell_refusing(model, warnings)
    rows, sample = inputs.sample(layout, hints, request["sample"], request["rows"], request["seed"], warnings)
    expected = comparison.library(model, layout, rows, warnings)
    row = layout.library(inputs.chosen(expected.rows, slice(0, 1)))
    converters.are_sparse(sparse.xgboost_parts(model, row) if "xgboost" in sys.modules else ())
    attempt = attempts.best(model, layout, expected, request, warnings)
    graph, layout, results, compared = attempt.graph, attempt.layout, attempt.results, attempt.compared
    if not compared["agrees"]:
        compared["part"], compared["fix"] = advice.fix(model, attempt, expected, request["tolerance"])
    graphs.finish(graph, layout, [answer.output for answer in expected.answers], results)
    data = graph.SerializeToString(deterministic=True)
    with open(request["graph"], "wb") as file:
        file.write(data)
    return {
        "kind": "converted",
        "estimator": estimators.tree(model),
        "summary": estimators.summary(model),
        "libraries": versions.used(),
        "inputs": takes.described(layout, hints, graphs.ports(graph.graph.input)),
        "outputs": graphs.ports(graph.graph.output),
        "classes": estimators.classes(model),
        "opsets": graphs.opsets(graph),
        "operators": graphs.operators(graph),
        "sample": sample,
        "comparison": compared,
        "warnings": list(dict.fromkeys(warnings)),
    }


main()
