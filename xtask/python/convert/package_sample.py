"""The sample with which a project is packaged: a request as a caller sends it, and its answer.

Owns the form of the request and of the answer. Must not know the source of the rows, nor how
answers are compared.
"""

import numpy as np

from refusal import brief

# Maximum number of rows in the sample. More rows prove little more, and people read the file.
_MOST_ROWS = 100


def of_model(layout, described, rows, attempt, expected, count):
    """Returns the sample of a model: those of the first `count` rows that a caller may send, with
    the library's answers. Returns None if there is no such row, or if the graph's answers do not
    agree.
    """
    asked = {port["name"]: port for port in described}
    ports = [port for port in layout.ports if port.name in asked]
    # A row that the library refuses has no answer. A host refuses a missing value unless the input
    # accepts missing values.
    shown = [
        (place, int(row))
        for place, row in enumerate(expected.places)
        if row < count and all(asked[port.name]["missing"] or not _gaps(rows[port.name][row]) for port in ports)
    ][:_MOST_ROWS]
    if not shown or not attempt.compared["agrees"]:
        return None
    inputs = {port.name: _shown(rows[port.name][[row for _, row in shown]], port.kind) for port in ports}
    answers = {}
    for output, answer, result in zip(attempt.graph.graph.output, expected.answers, attempt.results):
        values = result
        if answer.output != "label" and result.dtype.kind == "f" and answer.values.size == result.size:
            # The answer has the library's own numbers. Labels of the graph are used, which differ
            # only in a tie.
            values = np.reshape(answer.values, result.shape)
        answers[output.name] = _shown(values[[place for place, _ in shown]])
    return _sample(inputs, answers)


def of_graph(session, ports, arrays, warnings):
    """Returns the sample of a graph without a library to compare it with. It has the engine's
    answer if two runs give equal answers. Returns None if there is no example, or if the graph
    refuses it.
    """
    if arrays is None:
        return None
    open_to_callers = all(port["shape"] and port["shape"][0] is None for port in ports)
    if open_to_callers and len({len(array) for array in arrays.values()}) == 1:
        arrays = {name: array[:_MOST_ROWS] for name, array in arrays.items()}
    kinds = {port["name"]: port["dtype"] for port in ports}
    inputs = {name: _shown(array, kinds[name]) for name, array in arrays.items()}
    feeds = {name: _filled(array) if kinds[name] == "text" else array for name, array in arrays.items()}
    names = [port.name for port in session.get_outputs()]
    try:
        first, second = (session.run(names, feeds) for _ in range(2))
    except Exception as error:  # noqa: BLE001 - the engine's own errors have no common type.
        warnings.append(f"the graph refuses the input example of the MLflow folder, which is not used: {brief(error)}")
        return None
    plain = all(isinstance(one, np.ndarray) and one.dtype.kind in "fiubOU" for one in first)
    same = plain and all(_equal(one, other) for one, other in zip(first, second))
    return _sample(inputs, {name: _shown(one) for name, one in zip(names, first)} if same else None)


def _sample(inputs, outputs):
    """Returns the content of the sample file. JSON has no infinity. A request with infinity gives
    no sample, and an answer with infinity is left out.
    """
    if not _is_finite(inputs):
        return None
    if outputs is None or not _is_finite(outputs):
        return {"inputs": inputs}
    # A host returns a single output without its name.
    return {"inputs": inputs, "outputs": outputs if len(outputs) != 1 else next(iter(outputs.values()))}


def _is_finite(values):
    if isinstance(values, dict):
        values = list(values.values())
    if isinstance(values, list):
        return all(map(_is_finite, values))
    return not isinstance(values, float) or np.isfinite(values)


def _gaps(values):
    return any(one is None or one != one for one in np.ravel(np.asarray(values, dtype=object)))


def _filled(array):
    """Returns texts as the graph takes them. A missing text becomes the empty text."""
    flat = ["" if one is None else one for one in array.ravel()]
    return np.array(flat + [None], dtype=object)[:-1].reshape(array.shape)


def _equal(one, other):
    if one.dtype.kind == "f":
        return one.shape == other.shape and np.array_equal(one, other, equal_nan=True)
    return np.array_equal(one, other)


def _shown(array, kind=None):
    """Returns the values as values of JSON. A missing value becomes null, and a number has no more
    digits than its type holds.
    """
    array = np.asarray(array)
    if kind in ("f16", "f32"):
        array = array.astype({"f16": np.float16, "f32": np.float32}[kind])
    if array.ndim:
        return [_shown(one) for one in array]
    value = array.item()
    if value is None or value != value:
        return None
    if array.dtype.kind == "f":
        return float(str(array[()]))
    return value if isinstance(value, (bool, int, float, str)) else str(value)
