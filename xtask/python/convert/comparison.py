"""Comparison of the graph's answers with those of the library.

Owns both sets of answers, the rows that the library or the graph refuses, and the differences. Must
not know how the graph was made, nor how it is finished.
"""

import warnings as python_warnings
from dataclasses import dataclass

import numpy as np

from refusal import Refused, brief
import estimators
import inputs
import ties

# Number of rows that are also scored one by one, because a graph may be right for a batch and wrong
# for one row.
_SINGLE = 8


@dataclass(frozen=True)
class Answer:
    """Answers of one method of the library, under the name of the graph's output."""

    output: str
    method: str
    values: np.ndarray


@dataclass(frozen=True)
class Expected:
    """Answers of the library, the rows to which they belong, and the rows that the library refuses.
    """

    answers: list
    # Rows that are compared, and their indices among all rows.
    rows: dict
    places: np.ndarray
    # Number of rows that the library refuses, the first of them and the reason. None if there are
    # none.
    refused: dict | None
    # Rows that the library refuses.
    others: dict


def library(model, layout, rows, warnings):
    """Computes the answers of the library for the rows. Refuses the model if it fails on all rows.
    """
    methods = estimators.methods(model)
    with python_warnings.catch_warnings(record=True) as caught:
        python_warnings.simplefilter("always")
        ask = lambda some: [_plain(getattr(model, method)(layout.library(some))) for _, method in methods]
        found, places, failed = in_parts(ask, rows)
    if not len(places):
        raise Refused(
            f"its own `{methods[-1][1]}` fails on the rows to compare: {brief(failed[0][1])}",
            "name a file with rows as it was fitted on by --sample",
            estimators.class_of(model),
        ) from failed[0][1]
    answers = [Answer(output, method, values) for (output, method), values in zip(methods, found)]
    said = [f"the library, while it scored: {brief(one.message)}" for one in caught]
    warnings.extend(dict.fromkeys(said))
    others = np.array([place for place, _ in failed], dtype=np.int64)
    return Expected(answers, inputs.chosen(rows, places), places, _summary(failed), inputs.chosen(rows, others))


def in_parts(ask, rows):
    """Calls `ask` with all rows at once. If this fails, calls it with ever smaller parts of the
    rows.

    Returns the joined answers, the indices of their rows, and a list with the index and the error
    of each row that fails. The answers are None if every row fails.
    """
    done, failed = [], []
    todo = [np.arange(inputs.count(rows))]
    while todo:
        some = todo.pop()
        try:
            done.append((some, ask(inputs.chosen(rows, some))))
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - the model's own code or the engine, on rows that may not suit it.
            if len(some) == 1:
                failed.append((int(some[0]), error))
            elif len(some):
                # The first half is popped first, so that the rows stay in order.
                todo += [some[len(some) // 2 :], some[: len(some) // 2]]
    if not done:
        return None, np.array([], dtype=np.int64), failed
    places = np.concatenate([some for some, _ in done])
    joined = [_joined([answers[index] for _, answers in done]) for index in range(len(done[0][1]))]
    return joined, places, failed


def _joined(parts):
    # An engine may return lists, which are refused later.
    return np.concatenate(parts) if all(isinstance(one, np.ndarray) for one in parts) else parts[0]


def _plain(values):
    return np.asarray(values.toarray() if hasattr(values, "toarray") else values)


def _summary(failed):
    if not failed:
        return None
    place, error = failed[0]
    return {"rows": len(failed), "first": place, "reason": brief(error)}


def compare(graph, layout, expected, tolerance, warnings):
    """Runs the graph, and returns its outputs and a description of the differences."""
    rows, answers = expected.rows, expected.answers
    run = _session(graph, layout)
    results, places, failed = in_parts(run, rows)
    if results is None:
        raise _refused_graph(failed[0][1], layout)
    if len(results) < len(answers) or not all(isinstance(one, np.ndarray) for one in results):
        raise Refused(
            f"the graph has {len(results)} outputs where {', '.join(a.method for a in answers)} were expected, or lists",
            estimators.SCORER,
            None,
        )
    # A row that the library answers and the graph refuses is a difference.
    failed = [(int(expected.places[place]), error) for place, error in failed]
    answers = [Answer(one.output, one.method, one.values[places]) for one in answers]
    single, first = None, min(len(places), _SINGLE)
    if first and not failed:
        parts = [run(inputs.chosen(rows, places[index : index + 1])) for index in range(first)]
        single = [np.concatenate([part[index] for part in parts]) for index in range(len(results))]
    outputs = _outputs(answers, results, tolerance)
    if single is not None:
        firsts = [Answer(one.output, one.method, one.values[:first]) for one in answers]
        for one, again in zip(outputs, _outputs(firsts, single, tolerance)):
            one["one_by_one"] = again["agrees"]
    for one in outputs:
        one.setdefault("one_by_one", True)
        if isinstance(one.get("first"), dict) and "row" in one["first"]:
            one["first"]["row"] = int(expected.places[places[one["first"]["row"]]])
    agrees = not failed and all(one["agrees"] and one["one_by_one"] for one in outputs)
    _tell_answered(run, layout, expected, warnings)
    return results, {
        "tolerance": tolerance,
        "rows": inputs.count(rows),
        "missing": int(missing_rows(rows).sum()),
        "agrees": agrees,
        "outputs": outputs,
        "refused": expected.refused,
        "failed": _summary(failed),
    }


def missing_rows(rows):
    """Returns an array that is True for each row with a missing value."""
    found = False
    for values in rows.values():
        gaps = np.array([one is None for one in values.ravel()]) if values.dtype == object else values != values
        gaps = gaps.reshape(values.shape)
        found = found | (gaps.any(axis=1) if gaps.ndim == 2 else gaps)
    return found


def _session(graph, layout):
    """Returns a function that runs the graph on rows."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    # A node that refuses a row raises an exception, so the log is not needed.
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - the engine's own errors have no common type.
        raise _refused_graph(error, layout) from error
    names = {port.name for port in session.get_inputs()}
    return lambda some: session.run(None, layout.feeds(some, names))


def _refused_graph(error, layout):
    double = any(port.kind == "f64" for port in layout.ports)
    fix = "say f32 in --inputs: not every operator takes f64" if double else estimators.SCORER
    return Refused(f"ONNX Runtime refuses the graph: {brief(error)}", fix, None)


def _tell_answered(run, layout, expected, warnings):
    """Warns about rows that the library refuses and the graph answers. Rows with missing values are
    left out, because a host refuses them.
    """
    others = inputs.chosen(expected.others, ~missing_rows(expected.others)) if expected.refused else {}
    if not others or not inputs.count(others):
        return
    _, places, _ = in_parts(run, others)
    if len(places):
        warnings.append(
            f"{len(places)} rows that the library refuses are answered by the graph: {expected.refused['reason']}"
        )


def _outputs(answers, results, tolerance):
    """Returns a description of the differences for each output. If all numbers agree, labels may
    differ in rows with a tie.
    """
    found = [_compared(answer, result, tolerance) for answer, result in zip(answers, results)]
    numbers_agree = all(one["agrees"] for one in found if one["kind"] == "numbers")
    for index, one in enumerate(found):
        if one["kind"] != "labels" or one["agrees"] or not numbers_agree:
            continue
        tied = ties.rows(answers, tolerance)
        if tied is not None:
            found[index] = _compared(answers[index], results[index], tolerance, tied)
    return found


def _compared(answer, result, tolerance, tied=None):
    described = {"output": answer.output, "method": answer.method}
    expected, result = _shaped(answer.values, result)
    if expected.shape != result.shape:
        shapes = {"library": str(list(expected.shape)), "graph": str(list(result.shape))}
        return described | {"kind": "shape", "agrees": False, "first": shapes}
    wrong, largest = _off(answer, expected, result, tolerance)
    if largest is None:
        described |= {"kind": "labels"}
        if tied is not None and wrong.ndim == 1:
            described["ties"] = int((wrong & tied).sum())
            wrong = wrong & ~tied
    else:
        described |= {"kind": "numbers", "largest_difference": largest if np.isfinite(largest) else None}
    described["mismatches"] = int(wrong.any(axis=-1).sum() if wrong.ndim > 1 else wrong.sum())
    described["agrees"] = not wrong.any()
    if wrong.any():
        place = np.unravel_index(int(wrong.argmax()), wrong.shape)
        described["first"] = {"row": int(place[0]), "library": str(expected[place]), "graph": str(result[place])}
    return described


def _off(answer, expected, result, tolerance):
    """Returns an array that is True where two answers of equal shape differ, and the largest
    difference. The largest difference is None for labels and texts.
    """
    if answer.method == "predict" and answer.output == "label" or expected.dtype.kind in "OUS":
        # The values are compared as objects, because a text is not equal to the number that it
        # shows.
        return np.asarray(expected.astype(object) != result.astype(object), dtype=np.bool_), None
    expected, result = expected.astype(np.float64), result.astype(np.float64)
    both = np.isnan(expected) & np.isnan(result) | (expected == result)
    with np.errstate(invalid="ignore"):
        difference = np.where(both, 0.0, np.abs(expected - result))
    difference = np.where(np.isnan(difference), np.inf, difference)
    # For numbers above 1 the relative difference counts, because f32 has about seven digits.
    relative = difference / np.maximum(1.0, np.abs(np.nan_to_num(expected)))
    return ~(relative <= tolerance), float(difference.max(initial=0.0))


def _shaped(expected, result):
    """Returns both answers in the same shape, if their shapes differ only in the notation."""
    if result.ndim == 2 and expected.ndim == 1 and result.shape[1] == 1:
        result = result[:, 0]
    # For a decision between two classes, the library returns one number, and some converters one
    # number for each class.
    if result.ndim == 2 and expected.ndim == 1 and result.shape[1] == 2 and expected.dtype.kind == "f":
        expected = np.stack([-expected, expected], axis=1)
    return expected, result
