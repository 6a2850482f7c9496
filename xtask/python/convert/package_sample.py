"""The sample that a project is packaged with: a request as a caller sends it, and the answer that belongs to it.

Owns the form of both. Must not know where the rows are from, nor how answers are compared.
"""

import numpy as np

from refusal import brief

# More rows prove little more, and the file is read by people.
_MOST_ROWS = 100


def of_model(layout, described, rows, attempt, expected, count):
    """The first `count` rows, as far as a caller may send them, with the library's answers; None if no row is left."""
    asked = {port["name"]: port for port in described}
    ports = [port for port in layout.ports if port.name in asked]
    # A row that the library refuses has no answer, and a host refuses a missing value that is not declared.
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
            # The library's own numbers. Labels are the same, except where two are equally good.
            values = np.reshape(answer.values, result.shape)
        answers[output.name] = _shown(values[[place for place, _ in shown]])
    return _sample(inputs, answers)


def of_graph(session, ports, arrays, warnings):
    """The example of a graph that no library answers; the engine's own answer belongs to it if it is always the same."""
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
    """The content of the file. JSON has no infinity: a request with one is no sample, and an answer with one is left out."""
    if not _is_finite(inputs):
        return None
    if outputs is None or not _is_finite(outputs):
        return {"inputs": inputs}
    # A host answers a single output without its name.
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
    """Texts as the graph takes them: a missing one is the empty text."""
    flat = ["" if one is None else one for one in array.ravel()]
    return np.array(flat + [None], dtype=object)[:-1].reshape(array.shape)


def _equal(one, other):
    if one.dtype.kind == "f":
        return one.shape == other.shape and np.array_equal(one, other, equal_nan=True)
    return np.array_equal(one, other)


def _shown(array, kind=None):
    """The values as JSON has them: a missing one is null, and a number has no more digits than its type keeps."""
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
