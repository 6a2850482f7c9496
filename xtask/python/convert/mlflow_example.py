"""The input example in a model folder of MLflow, in each form that MLflow writes.

Owns these forms: MLflow 1 to 3, tables and arrays, and the body of a request
(`serving_input_example.json`). Must not know the folder, estimators or graphs.
"""

import math

import numpy as np

# Keys of a request body. Next to one of these keys, a body has at most the parameters of the
# request.
_BODIES = ("inputs", "instances", "dataframe_split", "dataframe_records")
_TYPES = {
    "f16": np.float16,
    "f32": np.float32,
    "f64": np.float64,
    "i8": np.int8,
    "i16": np.int16,
    "i32": np.int32,
    "i64": np.int64,
    "u8": np.uint8,
    "u16": np.uint16,
    "u32": np.uint32,
    "u64": np.uint64,
    "bool": np.bool_,
}


def rows(example, names):
    """Returns a table as columns or as rows, in the form of a sample file. Returns None if the
    example is not a table.
    """
    example = _content(example)
    if isinstance(example, dict) and {"columns", "data"} <= set(example):
        names, table = example["columns"], example["data"]
        if not isinstance(names, list) or not _is_table(table) or not all(len(row) == len(names) for row in table):
            return None
        # Names may be numbers, but the reader of samples takes texts.
        return {str(name): [row[index] for row in table] for index, name in enumerate(names)}
    if isinstance(example, dict):
        lists = [one for one in example.values() if isinstance(one, list)]
        return example if example and len(lists) == len(example) else None
    if not isinstance(example, list) or not example:
        return None
    if _is_table(example) and not isinstance(example[0][0], list):
        if all(len(row) == len(names) for row in example):
            return {name: [row[index] for row in example] for index, name in enumerate(names)}
        return example
    return example if all(isinstance(row, (dict, str)) for row in example) else None


def arrays(example, names, ports):
    """Returns an array for each input of a graph, by the name of the input. Returns None if the
    example does not show which value belongs to which input, or does not fit the inputs.
    """
    inner, table = _content(example), rows(example, names)
    if isinstance(table, list) and table and all(isinstance(row, dict) for row in table):
        table = {name: [row.get(name) for row in table] for name in table[0]}
    found = {}
    for port in ports:
        if isinstance(table, dict) and port["name"] in table:
            values = table[port["name"]]
        elif len(ports) > 1:
            return None
        elif isinstance(table, dict):
            order = names if set(names) <= set(table) and names else list(table)
            values = [list(row) for row in zip(*(table[name] for name in order))]
        else:
            values = inner
        array = _array(values, port)
        if array is None:
            return None
        found[port["name"]] = array
    return found or None


def _content(example):
    """Returns the content of a request body. Any other example is returned unchanged."""
    while isinstance(example, dict):
        key = next((key for key in _BODIES if key in example), None)
        if key is None or set(example) - {key, "params"}:
            return example
        example = example[key]
    return example


def _is_table(values):
    return isinstance(values, list) and bool(values) and all(isinstance(row, list) and row for row in values)


def _array(values, port):
    """Returns the values of one input as an array, or None if they have another type or shape."""
    kind, shape = port["dtype"], port["shape"]
    try:
        # The values are read as objects, because NumPy would convert numbers next to a text to
        # texts.
        array = np.array(values, dtype=object)
        if array.ndim == len(shape) - 1 and shape[-1] == 1:
            array = array[..., np.newaxis]
        sizes = zip(array.shape, shape)
        if array.ndim != len(shape) or not array.size or any(size not in (None, one) for one, size in sizes):
            return None
        flat = [_element(one, port) for one in array.ravel()]
        typed = np.array(flat + [None], dtype=object)[:-1] if kind == "text" else np.array(flat, dtype=_TYPES[kind])
        return typed.reshape(array.shape)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def _element(value, port):
    if value is None or isinstance(value, float) and math.isnan(value):
        if not port.get("missing"):
            raise ValueError("a missing value, where none is taken")
        return None if port["dtype"] == "text" else math.nan
    is_number = isinstance(value, (bool, int, float)) and port["dtype"] != "text"
    if not is_number and not (isinstance(value, str) and port["dtype"] == "text"):
        raise ValueError("a value of another type")
    if port["dtype"][0] in "iu" and value != int(value) or port["dtype"] == "bool" and value not in (0, 1):
        raise ValueError("a value of another type")
    return value
