"""Whether the graph answers as the library does.

Owns both sets of answers and their differences. Must not know how the graph was made, nor how it is finished.
"""

import warnings as python_warnings
from dataclasses import dataclass

import numpy as np

from refusal import Refused, brief
import estimators

# Also asked one by one: a graph may be right for many rows at a time and wrong for one.
_SINGLE = 8


@dataclass(frozen=True)
class Answer:
    """What the library says, under the name that the graph's output gets."""

    output: str
    method: str
    values: np.ndarray


def library(model, layout, rows, warnings):
    """The library's own answers."""
    given = layout.library(rows)
    answers = []
    with python_warnings.catch_warnings(record=True) as caught:
        python_warnings.simplefilter("always")
        for output, method in estimators.methods(model):
            try:
                values = getattr(model, method)(given)
            except MemoryError:
                raise
            except Exception as error:  # noqa: BLE001 - the model's own code, on rows that may not suit it.
                raise Refused(
                    f"its own `{method}` fails on the rows to compare: {brief(error)}",
                    "name a file with rows as it was fitted on by --sample",
                    estimators.class_of(model),
                ) from error
            values = values.toarray() if hasattr(values, "toarray") else values
            values = np.asarray(values)
            if output == "label" and values.dtype == np.bool_:
                warnings.append("labels are True and False in the library, and 1 and 0 in the graph")
            answers.append(Answer(output, method, values))
    warnings.extend(f"the library, while it scored: {brief(one.message)}" for one in caught)
    return answers


def compare(graph, layout, rows, answers, tolerance):
    """Runs the graph; returns its outputs, and what differs."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
        names = {port.name for port in session.get_inputs()}
        count = len(next(iter(rows.values())))
        results = session.run(None, layout.feeds(rows, names))
        single = []
        for index in range(min(count, _SINGLE)):
            one = {name: values[index : index + 1] for name, values in rows.items()}
            single.append(session.run(None, layout.feeds(one, names)))
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - the engine's own errors have no common type.
        double = any(port.kind == "f64" for port in layout.ports)
        fix = "say f32 in --inputs: not every operator takes f64" if double else estimators.SCORER
        raise Refused(f"ONNX Runtime refuses the graph: {brief(error)}", fix, None) from error
    if len(results) < len(answers) or not all(isinstance(one, np.ndarray) for one in results):
        raise Refused(
            f"the graph has {len(results)} outputs where {', '.join(a.method for a in answers)} were expected, or lists",
            estimators.SCORER,
            None,
        )
    outputs = []
    for index, (answer, result) in enumerate(zip(answers, results)):
        found = _compared(answer, result, tolerance)
        again = np.concatenate([one[index] for one in single])
        found["one_by_one"] = _compared(Answer("", "", answer.values[: len(single)]), again, tolerance)["agrees"]
        outputs.append(found)
    agrees = all(one["agrees"] and one["one_by_one"] for one in outputs)
    return results, {"tolerance": tolerance, "rows": count, "agrees": agrees, "outputs": outputs}


def _compared(answer, result, tolerance):
    described = {"output": answer.output, "method": answer.method}
    expected, result = _shaped(answer.values, result)
    if expected.shape != result.shape:
        shapes = {"library": str(list(expected.shape)), "graph": str(list(result.shape))}
        return described | {"kind": "shape", "agrees": False, "first": shapes}
    if answer.method == "predict" and answer.output == "label" or expected.dtype.kind in "OUS":
        wrong = _different_labels(expected, result)
        described |= {"kind": "labels", "mismatches": int(wrong.sum())}
    else:
        expected, result = expected.astype(np.float64), result.astype(np.float64)
        both = np.isnan(expected) & np.isnan(result) | (expected == result)
        difference = np.where(both, 0.0, np.abs(expected - result))
        difference = np.where(np.isnan(difference), np.inf, difference)
        # Of numbers above 1 the difference is relative: f32 has seven digits.
        relative = difference / np.maximum(1.0, np.abs(np.nan_to_num(expected)))
        wrong = ~(relative <= tolerance)
        largest = float(difference.max(initial=0.0))
        described |= {"kind": "numbers", "mismatches": int(wrong.any(axis=-1).sum() if wrong.ndim > 1 else wrong.sum())}
        described["largest_difference"] = largest if np.isfinite(largest) else None
    described["agrees"] = not wrong.any()
    if wrong.any():
        place = np.unravel_index(int(wrong.argmax()), wrong.shape)
        described["first"] = {"row": int(place[0]), "library": str(expected[place]), "graph": str(result[place])}
    return described


def _shaped(expected, result):
    """Both in one shape, where they only differ in how they write it."""
    if expected.dtype == np.bool_:
        expected = expected.astype(np.int64)
    if result.ndim == 2 and expected.ndim == 1 and result.shape[1] == 1:
        result = result[:, 0]
    # A decision between two classes: the library gives one number, some converters one for each class.
    if result.ndim == 2 and expected.ndim == 1 and result.shape[1] == 2 and expected.dtype.kind == "f":
        expected = np.stack([-expected, expected], axis=1)
    return expected, result


def _different_labels(expected, result):
    # As objects: a text is no number that reads the same.
    return np.asarray(expected.astype(object) != result.astype(object), dtype=np.bool_)
