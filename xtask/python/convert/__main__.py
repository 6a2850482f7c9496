"""Conversion of one model from a pickle to a graph with the same answers: the process that `cargo
xtask convert` starts.

Owns the order of the steps, the limit on memory, and the form of the request (JSON on standard
input) and of the outcome (JSON in a file). Must not know how any step works. Only this process
loads the pickle, and loading runs the code of the pickle's author. Nothing in this process is
trusted afterwards: the caller treats the outcome as text, and checks what it can itself.
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

from refusal import Refused

# Number of the option PR_SET_PDEATHSIG of prctl(2).
_SET_PARENT_DEATH_SIGNAL = 1


def main():
    request = json.load(sys.stdin)
    # The process is short-lived, and collecting the garbage of the imports would take a sixth of
    # its time.
    gc.disable()
    # The limit is set before anything is imported or loaded. An allocation beyond it raises
    # MemoryError or ends the process.
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (request["memory_bytes"], hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _end_with(request["parent"], request["seconds"])
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
    """Makes this process end with the command that started it, and after `seconds` seconds at the
    latest.

    The process has a process group of its own, so an interrupt of the command does not reach it.
    """
    signal.alarm(seconds)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    most = seconds if hard == resource.RLIM_INFINITY else min(seconds, hard)
    # Code in a pickle can stop the alarm, but it cannot raise the hard limit on CPU time again.
    resource.setrlimit(resource.RLIMIT_CPU, (most, most))
    ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    # If the command ended before the call of prctl, no signal was sent, and this process already
    # has another parent.
    if os.getppid() != parent:
        os._exit(1)


def _lacking():
    """Returns the outcome for a Python environment that lacks a required module, or None if it has
    all of them.
    """
    for module in ("sklearn", "joblib", "pandas", "skl2onnx", "onnxruntime"):
        if importlib.util.find_spec(module) is None:
            pip = f"{sys.executable} -m pip install scikit-learn pandas skl2onnx onnxruntime"
            problem = f"{sys.executable}: has no module `{module}`"
            return {"kind": "lacking", "problem": problem, "fix": f"install what is missing: {pip}"}
    return None


def convert(request):
    """Runs every step of the conversion, and returns the outcome, which the caller writes into its
    report.
    """
    import loading

    warnings, folder = [], None
    source, sample, given = request["source"], request["sample"], request["inputs"]
    if os.path.isdir(source):
        import mlflow_model

        folder = mlflow_model.read(source)
        source = folder.file
        if folder.flavor == "onnx":
            import graph_copy

            return graph_copy.copy(source, request["graph"], folder, warnings)
        sample = sample or folder.sample(os.path.dirname(request["graph"]), warnings)
    model = loading.load(source, request["other_version"], warnings)
    import estimators

    estimators.check(model)
    if folder is None:
        return _converted(request, model, given, sample, warnings)
    outcome = _converted(request, model, given or folder.inputs(model), sample, warnings)
    return outcome | {"inputs": folder.described(outcome["inputs"])}


def _converted(request, model, given, sample, warnings):
    """Converts a model to a graph, compares the graph with the model, writes the graph, and returns
    the outcome.
    """
    import dataclasses

    import numpy as np

    import attempts
    import comparison
    import converters
    import estimators
    import generation
    import graphs
    import inputs
    import light_trees
    import package_sample
    import samples
    import sparse
    import takes
    import versions

    layout = dataclasses.replace(inputs.Layout.of(model, given, sample), given=bool(request["inputs"]))
    hints = generation.hints(model, layout)
    real = None if sample is None else samples.read(sample, layout, [])
    layout = takes.find(model, layout, hints, real, warnings)
    takes.tell_refusing(model, warnings)
    rows, described = inputs.sample(layout, hints, sample, request["rows"], request["seed"], warnings)
    is_example = sample != request["sample"]
    count = inputs.count(rows) if is_example else 0
    if is_example:
        # The example of an MLflow folder has few rows, so generated rows are compared as well.
        made, _ = inputs.sample(layout, hints, None, request["rows"], request["seed"], warnings)
        rows = {name: np.concatenate([values, made[name]]) for name, values in rows.items()}
        described["rows"] = inputs.count(rows)
    expected = comparison.library(model, layout, rows, warnings)
    light_trees.check(model)
    converters.are_sparse(sparse.xgboost_parts(model, layout.library(inputs.chosen(expected.rows, slice(0, 1)))))
    try:
        attempt = attempts.best(model, layout, expected, request, warnings)
    except Refused as refused:
        # A converter names the part that it failed to convert. The engine knows only operators.
        if refused.estimator is not None:
            raise
        part = _part_at_fault(request, model, layout, expected.rows)
        fix = refused.fix if refused.fix != estimators.SCORER else estimators.instead(part)
        raise Refused(refused.problem, fix, estimators.class_of(part)) from refused
    graph, layout, compared = attempt.graph, attempt.layout, attempt.compared
    graphs.finish(graph, layout, [answer.output for answer in expected.answers], attempt.results)
    data = graph.SerializeToString(deterministic=True)
    with open(request["graph"], "wb") as file:
        file.write(data)
    ports = takes.described(layout, hints, graphs.ports(graph.graph.input))
    outcome = {
        "kind": "converted",
        "estimator": estimators.tree(model),
        "summary": estimators.summary(model),
        "libraries": versions.used(),
        "inputs": ports,
        "outputs": graphs.ports(graph.graph.output),
        "classes": estimators.classes(model),
        "opsets": graphs.opsets(graph),
        "operators": graphs.operators(graph),
        "sample": described,
        "comparison": compared,
        "example": package_sample.of_model(layout, ports, rows, attempt, expected, count) if is_example else None,
        "warnings": list(dict.fromkeys(warnings)),
    }
    if not compared["agrees"]:
        outcome["fix"] = _instruction(request, model, layout, expected.rows, sample)
    return outcome


def _agrees(request, part, layout, rows):
    """Returns True if the graph of a part of the model gives the library's answers."""
    import comparison
    import graphs

    expected = comparison.library(part, layout, rows, [])
    try:
        graph = graphs.convert(part, layout, request["name"], [])
        return comparison.compare(graph, layout, expected, request["tolerance"], [])[1]["agrees"]
    except Refused:
        return False


def _part_at_fault(request, model, layout, rows):
    import fault

    return fault.find(model, lambda part: _agrees(request, part, layout, rows))


def _instruction(request, model, layout, rows, sample):
    """Returns the instruction for a graph that gives other answers than the library. Instructions
    that can be tried were tried.
    """
    import advice
    import inputs

    def tried(given=None, others=None):
        try:
            other = layout if given is None else inputs.Layout.of(model, given, sample)
            return _agrees(request, model, other, rows if others is None else others)
        except Refused:
            return False

    part = _part_at_fault(request, model, layout, rows)
    return advice.instruction(model, layout, rows, part, tried)


main()
