"""Nodes of a graph, as the project's own converters write them.

Owns the operators that several converters use, and the values that count as missing. Must not know
estimators.
"""

import numpy as np


def is_missing(value):
    """Returns True for the values that pandas and NumPy treat as missing: None, NaN, NA and NaT."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, (float, np.floating)) and bool(np.isnan(value))


def is_text(variable):
    """Returns True if a variable of skl2onnx holds texts."""
    return type(variable.type).__name__ == "StringTensorType"


class Nodes:
    """Builder of the nodes of one part, which chooses new names for their results."""

    def __init__(self, scope, container):
        self.scope, self.container = scope, container
        # Element types of the results by name, so that a number gets the type of the tensor with
        # which it is compared.
        self._types = {}

    def add(self, kind, inputs, domain="", version=None, **attributes):
        """Adds a node with one output, and returns the name of the output."""
        name = self.scope.get_unique_variable_name(kind.lower())
        self._add(kind, inputs, name, domain, version, **attributes)
        return name

    def _add(self, kind, inputs, output, domain="", version=None, **attributes):
        versions = {} if version is None else {"op_version": version}
        attributes["name"] = self.scope.get_unique_operator_name(kind)
        self.container.add_node(kind, inputs, [output], op_domain=domain, **versions, **attributes)

    def constant(self, values, like):
        """Adds a constant tensor with the element type of `like`, and returns its name. `like` is a
        variable, the name of a result, or the name of a type.
        """
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
        """Adds a constant with one number and the element type of `like`, and returns its name."""
        return self.constant(np.array([value]), like)

    def cast(self, name, like):
        """Converts a tensor to the element type of `like`, and returns the name of the result."""
        kind = self._type(like)
        result = self.add("Cast", [name], to=kind)
        self._types[result] = kind
        return result

    def columns(self, name, indices):
        """Selects columns of a matrix by their indices, and returns the name of the result."""
        result = self.add("Gather", [name, self.integers(indices)], axis=1)
        self._types[result] = self._types.get(name)
        return result

    def integers(self, values):
        """Adds a constant list of whole numbers, and returns its name."""
        return self.constant(np.asarray(values, dtype=np.int64).ravel(), "int64")

    def joined(self, variables, like):
        """Joins all columns of the variables to one matrix with the element type of `like`, and
        returns its name.
        """
        kind = self._type(like)
        names = [one.full_name if self._type(one) == kind else self.cast(one.full_name, like) for one in variables]
        name = names[0] if len(names) == 1 else self.add("Concat", names, axis=1)
        self._types[name] = kind
        return name

    def each(self, variables):
        """Yields each column of the variables as a pair: the name of a matrix with this column, and
        the variable that contains it.
        """
        for variable in variables:
            width = variable.type.shape[1]
            for index in range(width):
                whole = width == 1
                name = variable.full_name if whole else self.columns(variable.full_name, [index])
                self._types[name] = self._type(variable)
                yield name, variable

    def place(self, name, keys, values, default):
        """Maps each text of a tensor to the number of its key, or to the default, and returns the
        name of the result.
        """
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
        """Gives a tensor the name of an output variable of skl2onnx."""
        self._add("Identity", [name], output.full_name)

    def finish(self, results, output):
        """Joins the results next to each other, and writes them to an output of the part."""
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
