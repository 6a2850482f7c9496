"""Nodes of a graph, as our own converters write them.

Owns the few operators that they share, and the text that stands for a missing one. Must not know estimators.
"""

import numpy as np


def is_missing(value):
    """True for what pandas and NumPy call missing: None, NaN and NA."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, (float, np.floating)) and bool(np.isnan(value))


def is_text(variable):
    """True for a variable of skl2onnx that holds texts."""
    return type(variable.type).__name__ == "StringTensorType"


class Nodes:
    """The nodes of one part, with new names for what they give."""

    def __init__(self, scope, container):
        self.scope, self.container = scope, container
        # The types of what was made here, so that a number can be of the type that it is compared with.
        self._types = {}

    def add(self, kind, inputs, domain="", version=None, **attributes):
        """Adds a node with one output; returns the output's name."""
        name = self.scope.get_unique_variable_name(kind.lower())
        self._add(kind, inputs, name, domain, version, **attributes)
        return name

    def _add(self, kind, inputs, output, domain="", version=None, **attributes):
        versions = {} if version is None else {"op_version": version}
        attributes["name"] = self.scope.get_unique_operator_name(kind)
        self.container.add_node(kind, inputs, [output], op_domain=domain, **versions, **attributes)

    def constant(self, values, like):
        """The name of a tensor of values, of the type of a variable or of one of our own results."""
        kind = self._type(like)
        data = np.asarray(values)
        shape = list(data.shape)
        if kind == 8:
            flat = [str(one).encode("utf-8") for one in data.ravel()]
        else:
            flat = data.astype({1: np.float32, 11: np.float64, 7: np.int64, 9: np.bool_}[kind]).ravel().tolist()
        name = self.scope.get_unique_variable_name("constant")
        self.container.add_initializer(name, kind, shape, flat)
        self._types[name] = kind
        return name

    def number(self, value, like):
        """The name of one number, of the type of one of our own results."""
        return self.constant(np.array([value]), like)

    def cast(self, name, like):
        """The values of a tensor in another type."""
        kind = self._type(like)
        result = self.add("Cast", [name], to=kind)
        self._types[result] = kind
        return result

    def columns(self, name, indices):
        """Some columns of a matrix."""
        result = self.add("Gather", [name, self.integers(indices)], axis=1)
        self._types[result] = self._types.get(name)
        return result

    def integers(self, values):
        """The name of a list of whole numbers."""
        return self.constant(np.asarray(values, dtype=np.int64).ravel(), "int64")

    def joined(self, variables, like):
        """All columns of the inputs as one matrix, of the type of `like`."""
        kind = self._type(like)
        names = [one.full_name if self._type(one) == kind else self.cast(one.full_name, like) for one in variables]
        name = names[0] if len(names) == 1 else self.add("Concat", names, axis=1)
        self._types[name] = kind
        return name

    def each(self, variables):
        """Each column of the inputs as a matrix of one column, with the variable that it is from."""
        for variable in variables:
            width = variable.type.shape[1]
            for index in range(width):
                whole = width == 1
                name = variable.full_name if whole else self.columns(variable.full_name, [index])
                self._types[name] = self._type(variable)
                yield name, variable

    def place(self, name, keys, values, default):
        """A whole number for each text of a tensor: that of its key, or the default."""
        result = self.add(
            "LabelEncoder",
            [name],
            domain="ai.onnx.ml",
            version=2,
            keys_strings=[key.encode("utf-8") for key in keys],
            values_int64s=[int(value) for value in values],
            default_int64=int(default),
        )
        self._types[result] = self._type("int64")
        return result

    def rename(self, name, output):
        """Gives a tensor the name of a variable of skl2onnx."""
        self._add("Identity", [name], output.full_name)

    def finish(self, results, output):
        """Writes the results, next to each other, to an output of the part."""
        if len(results) == 1:
            self.rename(results[0], output)
        else:
            self._add("Concat", results, output.full_name, axis=1)

    def _type(self, like):
        from skl2onnx.common.data_types import guess_proto_type

        if isinstance(like, str):
            named = {"int64": 7, "bool": 9, "float": 1, "double": 11}
            return named[like] if like in named else self._types[like]
        return guess_proto_type(like.type)
