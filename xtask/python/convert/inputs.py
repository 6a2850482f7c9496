"""Inputs of a model: the graph's input ports, and rows in the forms of the library and of the
graph.

Owns the layout (one matrix, one port for each column, or texts) and how it is found. Must not know
what the rows are used for.
"""

from dataclasses import dataclass, replace

import numpy as np

from nodes import is_missing
from refusal import Refused

# Kinds of ports by the names that callers see, each with the type of the graph's elements.
KINDS = {"f32": np.float32, "f64": np.float64, "i64": np.int64, "text": object, "bool": np.bool_}


@dataclass(frozen=True)
class Port:
    """One input. `width` is the number of its columns, or None for a list of texts without columns.
    """

    name: str
    kind: str
    width: int | None


@dataclass(frozen=True)
class Layout:
    """All inputs, and the form that the library takes: `documents`, `matrix` or `columns`."""

    form: str
    ports: tuple
    # Names of the columns if the library was fitted with names, or else None.
    names: tuple | None
    # Value that stands for a missing value in each column of the library. NaN if none is known.
    marks: tuple = ()
    # True for each column that held True and False in training.
    booleans: tuple = ()
    # True if the caller stated the inputs.
    given: bool = False

    @staticmethod
    def of(model, given, sample):
        """Finds the layout. Inputs that the caller stated have precedence over the sample, and the
        sample over the model.
        """
        import columns

        layout = Layout._of(model, given, sample)
        width, names = layout.width(), layout.columns()
        shown = [False] * width
        if layout.form != "documents":
            asked = layout.names if layout.form == "matrix" else names
            _, shown = columns.texts_of(sample, asked, width, layout.kinds())
        kept = columns.booleans(model, width, names)
        return replace(
            layout,
            given=bool(given),
            marks=tuple(columns.marks(model, width, names)),
            booleans=tuple(one or other for one, other in zip(kept, shown)),
        )

    @staticmethod
    def _of(model, given, sample):
        import columns

        width = getattr(model, "n_features_in_", None)
        names = columns.names_of(model, width)
        if given:
            layout = _given(given, names)
            said = layout.ports[0].width
            if layout.form == "matrix" and width is not None and said != width:
                raise Refused(
                    f"takes {width} columns, and --inputs says {said}",
                    f"write --inputs '{layout.ports[0].name}={layout.ports[0].kind}[{width}]', or leave it out",
                    type(model).__name__,
                )
            return layout
        if columns.reads_documents(model):
            return Layout("documents", (Port("text", "text", None),), None)
        if width is None:
            width = _width(model, sample)
        kinds = columns.kinds(model, width, names)
        texts, _ = columns.texts_of(sample, names, width, kinds)
        kinds = ["text" if text else kind for kind, text in zip(kinds, texts)]
        if columns.by_name(model) or len(set(kinds)) > 1:
            shown = names or tuple(f"x{index}" for index in range(width))
            return Layout("columns", tuple(Port(name, kind, 1) for name, kind in zip(shown, kinds)), names)
        return Layout("matrix", (Port("X", kinds[0], int(width)),), names)

    def types(self):
        """Returns the inputs as skl2onnx takes them: pairs of a name and a type."""
        from skl2onnx.common import data_types

        found = {"f32": "Float", "f64": "Double", "i64": "Int64", "text": "String", "bool": "Boolean"}
        kind = lambda port: getattr(data_types, f"{found[port.kind]}TensorType")
        shape = lambda port: [None] if port.width is None else [None, port.width]
        return [(port.name, kind(port)(shape(port))) for port in self.ports]

    def width(self):
        """Returns the number of columns of all ports together."""
        return sum(port.width or 1 for port in self.ports)

    def kinds(self):
        """Returns the kind of each column."""
        return [port.kind for port in self.ports for _ in range(port.width or 1)]

    def columns(self):
        """Returns a name for each column, for messages."""
        if self.names is not None and len(self.names) == self.width():
            return list(self.names)
        if self.form == "columns":
            return [port.name for port in self.ports]
        return [f"x{index}" for index in range(self.width())]

    def apart(self):
        """Returns a layout with one port for each column of the matrix."""
        kind = self.ports[0].kind
        return replace(self, form="columns", ports=tuple(Port(name, kind, 1) for name in self.columns()))

    def doubled(self):
        """Returns the layout with numbers in double precision."""
        ports = tuple(replace(port, kind="f64") if port.kind == "f32" else port for port in self.ports)
        return replace(self, ports=ports)

    def library(self, rows):
        """Converts rows to the form and the precision with which the library was fitted."""
        if self.form == "documents":
            return [np.nan if one is None else one for one in rows[self.ports[0].name]]
        values = [rows[port.name][:, index] for port in self.ports for index in range(port.width)]
        marks = self.marks or [np.nan] * len(values)
        values = [_marked(column, mark) for column, mark in zip(values, marks)]
        if self.names is not None:
            return _frame(dict(zip(self.columns(), values)))
        # A NumPy array has one type for all columns. Texts and numbers together are objects.
        plain = all(column.dtype != object for column in values)
        return np.stack(values, axis=1) if plain else np.stack([column.astype(object) for column in values], axis=1)

    def feeds(self, rows, names):
        """Converts rows to the inputs of the graph that `names` lists. A missing text becomes the
        empty text.
        """
        return {port.name: _fed(rows[port.name], port.kind) for port in self.ports if port.name in names}


def sample(layout, hints, path, count, seed, warnings):
    """Returns the rows for the comparison, by the names of the ports, and a description of their
    origin. They come from the file `path`, or are generated if `path` is None.
    """
    if path is None:
        import generation

        warnings.append(
            "compared on rows made up from what the model remembers; real ones, by --sample, are a stronger proof"
        )
        rows = generation.rows(layout, hints, count, np.random.default_rng(seed))
        return rows, {"from": "generated", "rows": count, "seed": seed}
    import samples

    rows = samples.read(path, layout, warnings)
    if path.endswith(".csv"):
        import takes

        rows = takes.with_empty_texts(layout, hints, rows)
    return rows, {"from": "file", "rows": len(next(iter(rows.values())))}


def count(rows):
    """Returns the number of rows."""
    return len(next(iter(rows.values())))


def chosen(rows, which):
    """Returns the rows that `which` selects."""
    return {name: values[which] for name, values in rows.items()}


def _given(given, names):
    ports = tuple(Port(one["name"], one["kind"], one["width"]) for one in given)
    if len(ports) == 1 and ports[0].kind == "text" and ports[0].width is None:
        return Layout("documents", ports, None)
    ports = tuple(Port(port.name, port.kind, port.width or 1) for port in ports)
    wide = [port for port in ports if port.width > 1]
    if len(ports) == 1:
        return Layout("matrix", ports, names if names and len(names) == ports[0].width else None)
    if wide:
        raise Refused(
            f"--inputs: `{wide[0].name}` is one of several inputs and has {wide[0].width} columns",
            "give one input with all columns, or one input for each column",
        )
    return Layout("columns", ports, tuple(port.name for port in ports) if names else None)


def _width(model, sample):
    """Returns the number of columns of the sample, for an estimator that does not keep this number.
    Refuses the model if there is no sample.
    """
    import samples

    if sample is not None:
        return samples.table(sample).shape[1]
    raise Refused(
        "does not remember how many columns it takes",
        "name a file with rows by --sample, or say it: --inputs 'X=f32[COLUMNS]'",
        type(model).__name__,
    )


def _marked(column, mark):
    """Returns a column whose missing values are replaced by `mark`, the library's value for a
    missing one.
    """
    if column.dtype == object:
        return np.array([mark if one is None else one for one in column] + [None], dtype=object)[:-1]
    if column.dtype.kind == "f" and not isinstance(mark, float) and np.isnan(column).any():
        return np.array([mark if is_missing(one) else one for one in column.tolist()] + [None], dtype=object)[:-1]
    return column


def _fed(values, kind):
    if kind == "text":
        flat = ["" if one is None else one for one in values.ravel()]
        return np.array(flat + [None], dtype=object)[:-1].reshape(values.shape)
    return values.astype(KINDS[kind])


def _frame(values):
    import pandas

    # The type is object, because pandas would otherwise convert None to NaN.
    series = lambda one: pandas.Series(one, dtype=object if one.dtype == object else None)
    return pandas.DataFrame({name: series(one) for name, one in values.items()}, copy=False)
