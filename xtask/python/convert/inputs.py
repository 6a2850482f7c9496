"""What the model takes: the graph's input ports, and rows in the forms of the library and of the graph.

Owns the layout (one matrix, one port for each column, or texts) and how it is found out. Must not know what becomes of
the rows.
"""

from dataclasses import dataclass

import numpy as np

from refusal import Refused

# Kinds of ports by the names that callers see, with what the graph takes.
KINDS = {"f32": np.float32, "f64": np.float64, "i64": np.int64, "text": object, "bool": np.bool_}


@dataclass(frozen=True)
class Port:
    """One input; `width` is the number of its columns, or None for a list of texts without columns."""

    name: str
    kind: str
    width: int | None


@dataclass(frozen=True)
class Layout:
    """All inputs, and which form the library takes: `documents`, `matrix` or `columns`."""

    form: str
    ports: tuple
    # The columns' names where the library was fitted with names.
    names: tuple | None

    @staticmethod
    def of(model, given, sample):
        """Finds the layout: what was said wins, then what the sample shows, then what the model remembers."""
        import columns

        names = getattr(model, "feature_names_in_", None)
        names = None if names is None else tuple(str(name) for name in names)
        width = getattr(model, "n_features_in_", None)
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
        texts = columns.texts_of(sample, names, width, kinds)
        kinds = ["text" if text else kind for kind, text in zip(kinds, texts)]
        if columns.by_name(model) or len(set(kinds)) > 1:
            shown = names or tuple(f"x{index}" for index in range(width))
            return Layout("columns", tuple(Port(name, kind, 1) for name, kind in zip(shown, kinds)), names)
        return Layout("matrix", (Port("X", kinds[0], int(width)),), names)

    def types(self):
        """The inputs as skl2onnx wants them."""
        from skl2onnx.common import data_types

        found = {"f32": "Float", "f64": "Double", "i64": "Int64", "text": "String", "bool": "Boolean"}
        kind = lambda port: getattr(data_types, f"{found[port.kind]}TensorType")
        shape = lambda port: [None] if port.width is None else [None, port.width]
        return [(port.name, kind(port)(shape(port))) for port in self.ports]

    def library(self, rows):
        """Rows in the form that the library was fitted with, in its own precision."""
        if self.form == "documents":
            return list(rows[self.ports[0].name])
        if self.form == "matrix":
            values = rows[self.ports[0].name]
            return values if self.names is None else _frame(dict(zip(self.names, values.T)))
        if self.names is not None:
            return _frame({port.name: rows[port.name][:, 0] for port in self.ports})
        return np.concatenate([rows[port.name].astype(object) for port in self.ports], axis=1)

    def feeds(self, rows, names):
        """Rows as the graph takes them, for the inputs that it has."""
        return {port.name: rows[port.name].astype(KINDS[port.kind]) for port in self.ports if port.name in names}


def sample(model, layout, path, count, seed, warnings):
    """Rows to compare on, by the ports' names, and where they are from: a file, or what the model remembers."""
    if path is None:
        import generation

        warnings.append(
            "compared on rows made up from what the model remembers; real ones, by --sample, are a stronger proof"
        )
        rows = generation.rows(model, layout, count, np.random.default_rng(seed))
        return rows, {"from": "generated", "rows": count, "seed": seed}
    import samples

    rows = samples.read(path, layout, warnings)
    return rows, {"from": "file", "rows": len(next(iter(rows.values())))}


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
    """For the few estimators that do not remember: as many columns as the sample has."""
    import samples

    if sample is not None:
        return samples.table(sample).shape[1]
    raise Refused(
        "does not remember how many columns it takes",
        "name a file with rows by --sample, or say it: --inputs 'X=f32[COLUMNS]'",
        type(model).__name__,
    )


def _frame(values):
    import pandas

    return pandas.DataFrame(values)
