"""Rows of a user: a CSV, JSON or NumPy file.

Owns the formats of these files, and the conversion of their rows to ports. Must not know the model.
"""

import json

import numpy as np

from refusal import Refused, brief

# Maximum number of rows that are read. More rows would only take longer.
_MOST_ROWS = 10_000

_FORMS = "name a .csv with a header, a .json (a list of rows, or an object of columns) or a .npy without objects"


def table(path, texts=()):
    """Reads a file as a table. Columns in `texts` keep their spelling, e.g. `007`."""
    import pandas

    try:
        if path.endswith(".csv"):
            types = {name: str for name in texts}
            return pandas.read_csv(path, nrows=_MOST_ROWS, dtype=types, keep_default_na=True)
        if path.endswith(".npy"):
            values = np.load(path, allow_pickle=False)
            return pandas.DataFrame(values.reshape(len(values), -1)[:_MOST_ROWS])
        if path.endswith(".json"):
            with open(path, encoding="utf-8") as file:
                return pandas.DataFrame(_rows(json.load(file)))[:_MOST_ROWS]
    except Refused:
        raise
    except Exception as error:  # noqa: BLE001 - whatever the readers make of a damaged file.
        raise Refused(f"--sample {path}: cannot be read: {brief(error)}", _FORMS) from None
    raise Refused(f"--sample {path}: its form is not known", _FORMS)


def read(path, layout, warnings):
    """Reads the rows of a file, by the names of the ports."""
    ports = layout.ports
    found = table(path, [port.name for port in ports if port.kind == "text"])
    width = sum(port.width or 1 for port in ports)
    names = layout.names if layout.form == "matrix" else tuple(port.name for port in ports)
    if layout.form == "documents" and found.shape[1] == 1:
        names = None
    found = choose(found, names, width)
    if not len(found):
        raise Refused(f"--sample {path}: has no rows to compare", _FORMS)
    rows, start = {}, 0
    for port in ports:
        part = found.iloc[:, start : start + (port.width or 1)]
        start += port.width or 1
        rows[port.name] = _values(part, port, path)
    return rows


def choose(found, names, width):
    """Returns the columns that the model takes, in its order."""
    shown = [str(name) for name in found.columns]
    found = found.set_axis(shown, axis=1)
    if names is not None and not all(name in shown for name in names) and not set(names) & set(shown):
        names = None
    if names is not None:
        missing = [name for name in names if name not in shown]
        if missing:
            raise Refused(
                f"--sample: there is no column {', '.join(map(repr, missing[:5]))}; there are {', '.join(shown[:12])}",
                "give it the columns that the model was fitted with",
            )
        return found[list(names)]
    if len(shown) != width:
        raise Refused(
            f"--sample: has {len(shown)} columns, and the model takes {width}",
            "leave out what is no input, e.g. the label, or name the columns as the model was fitted with",
        )
    return found


def is_text(column):
    """Returns True if a column has values that are neither numbers nor booleans."""
    return column.dtype.kind not in "biuf" and not is_boolean(column) and not column.isna().all()


def is_boolean(column):
    """Returns True if a column has only True, False and missing values, and at least one that is
    not missing.
    """
    if column.dtype.kind == "b":
        return True
    if column.dtype != object:
        return False
    held = column.dropna()
    return bool(len(held)) and all(isinstance(one, (bool, np.bool_)) for one in held)


def _values(part, port, path):
    """Returns the values of a port. A missing text is None, and a missing number is NaN."""
    try:
        missing = part.isna().to_numpy()
        if port.kind == "text":
            values = part.to_numpy(dtype=object)
            texts = [None if gap else _text(one) for one, gap in zip(values.ravel(), missing.ravel())]
            values = np.array(texts + [None], dtype=object)[:-1].reshape(values.shape)
            return values[:, 0] if port.width is None else values
        if port.kind in ("f32", "f64") and missing.any():
            values = part.to_numpy(dtype=object, copy=True)
            values[missing] = np.nan
            return values.astype(np.float64)
        return part.to_numpy(dtype={"f32": np.float64, "f64": np.float64, "i64": np.int64, "bool": np.bool_}[port.kind])
    except (TypeError, ValueError) as error:
        raise Refused(
            f"--sample {path}: `{port.name}` does not hold {port.kind}: {brief(error)}",
            "correct the file, or say --inputs",
        ) from None


def _text(value):
    return value if isinstance(value, str) else str(value)


def _rows(value):
    """Returns the rows or columns of a JSON value. An Azure ML body is accepted, too: an object
    with one list of rows under any name.
    """
    if isinstance(value, dict) and len(value) == 1:
        inner = next(iter(value.values()))
        if isinstance(inner, list) and inner and isinstance(inner[0], list) and len(inner[0]) != 1:
            return inner
    if isinstance(value, dict):
        flat = lambda one: one[0] if isinstance(one, list) and len(one) == 1 else one
        return {name: [flat(one) for one in column] for name, column in value.items()}
    return value
