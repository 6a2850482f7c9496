"""OneHotEncoder, OrdinalEncoder and TargetEncoder in a graph, with missing values and fractions
among the categories.

Owns their nodes. A missing text is the empty text in a graph, and a missing number is NaN. Must not
know imputers.
"""

import numpy as np

from nodes import Nodes, is_missing, is_text
from refusal import Refused
import estimators


def register(add, wrap):
    """Registers converters that extend those of skl2onnx, which do not support missing categories.
    """
    wrap("SklearnOneHotEncoder", _one_hot)
    wrap("SklearnOrdinalEncoder", lambda convert, *given: _ordinal(*given))
    wrap("SklearnTargetEncoder", _target)


def one_hot_shape(calculate, operator):
    """Sets the width of a OneHotEncoder's output. skl2onnx counts each rare category as a column of
    its own.
    """
    calculate(operator)
    part = operator.raw_operator
    if hasattr(part, "_n_features_outs"):
        operator.outputs[0].type.shape = [operator.inputs[0].get_first_dimension(), int(sum(part._n_features_outs))]


def _one_hot(convert, scope, operator, container):
    part = operator.raw_operator
    _check(part, operator)
    if _is_plain(part, operator):
        convert(scope, operator, container)
        return
    nodes, results = Nodes(scope, container), []
    refuses = part.handle_unknown == "error"
    for index, (name, variable) in enumerate(nodes.each(operator.inputs)):
        codes, unknown, width = _codes(part, index)
        if not width:
            continue
        # A dropped category gets a column of its own, which is cut off, so that only an unknown
        # category is an error.
        cut = refuses and width in codes
        if refuses:
            unknown = -1
        place = _place(nodes, part, index, name, variable, codes, unknown)
        wide = nodes.add(
            "OneHotEncoder",
            [place],
            domain="ai.onnx.ml",
            cats_int64s=list(range(width + cut)),
            zeros=int(not refuses),
        )
        wide = nodes.add("Reshape", [wide, nodes.integers([-1, width + cut])])
        results.append(nodes.columns(wide, range(width)) if cut else wide)
    if np.issubdtype(part.dtype, np.signedinteger):
        results = [nodes.cast(one, operator.outputs[0]) for one in results]
    nodes.finish(results, operator.outputs[0])


def _is_plain(part, operator):
    """Returns True if skl2onnx's own converter gives the library's answers."""
    if getattr(part, "_infrequent_enabled", False) or part.handle_unknown not in ("ignore", "error"):
        return False
    if any(is_missing(one) for kept in part.categories_ for one in kept):
        return False
    # The converter of skl2onnx truncates numbers, so that 7.9 becomes the category 7.
    return all(type(one.type).__name__ in ("StringTensorType", "Int64TensorType") for one in operator.inputs)


def _codes(part, index):
    """Returns the output column of each category of an input, the output column of an unknown
    category, and the number of output columns.

    If an output column equals the number of output columns, the category has no output column.
    """
    kept = part.categories_[index]
    codes, unknown = list(range(len(kept))), None
    rare = getattr(part, "_default_to_infrequent_mappings", None)
    if getattr(part, "_infrequent_enabled", False) and rare is not None and rare[index] is not None:
        codes = [int(one) for one in rare[index]]
        if part.handle_unknown in ("infrequent_if_exist", "warn"):
            unknown = max(codes)
    width = max(codes, default=-1) + 1
    dropped = part._drop_idx_after_grouping
    if dropped is not None and dropped[index] is not None:
        gone = int(dropped[index])
        width -= 1
        moved = lambda code: width if code == gone else code - (code > gone)
        codes = [moved(code) for code in codes]
        unknown = None if unknown is None else moved(unknown)
    return codes, width if unknown is None else unknown, width


def _place(nodes, part, index, name, variable, codes, unknown):
    """Adds nodes that map each value of a column to the code of its category, or to `unknown` if
    the category is not known. Returns the name of the result.
    """
    kept = part.categories_[index]
    if is_text(variable):
        return nodes.place(name, _texts(kept), codes, unknown)
    numbers = [position for position, one in enumerate(kept) if not is_missing(one)]
    missing = [position for position, one in enumerate(kept) if is_missing(one)]
    table = [codes[position] for position in numbers]
    found = []
    if numbers:
        values = np.array([[float(kept[position]) for position in numbers]])
        found.append(nodes.add("Equal", [name, nodes.constant(values, name)]))
    if missing:
        found.append(nodes.add("Not", [nodes.add("Equal", [name, name])]))
        table.append(codes[missing[0]])
    found = found[0] if len(found) == 1 else nodes.add("Concat", found, axis=1)
    found = nodes.cast(found, "float")
    first = nodes.add("ArgMax", [found], axis=1, keepdims=1)
    code = nodes.add("Gather", [nodes.integers(table), first], axis=0)
    known = nodes.cast(nodes.add("ReduceMax", [found, nodes.integers([1])], keepdims=1), "bool")
    return nodes.add("Where", [known, code, nodes.integers([unknown])])


def _ordinal(scope, operator, container):
    part, nodes, results = operator.raw_operator, Nodes(scope, container), []
    _check(part, operator)
    missing_codes = getattr(part, "_missing_indices", {})
    for index, (name, variable) in enumerate(nodes.each(operator.inputs)):
        count = len(part.categories_[index])
        rare = getattr(part, "_default_to_infrequent_mappings", None)
        rare = rare[index] if getattr(part, "_infrequent_enabled", False) and rare is not None else None
        values = [float(one) for one in (range(count) if rare is None else rare)]
        # Codes of rare categories leave the missing category out, which is the last one.
        values += [0.0] * (count - len(values))
        if index in missing_codes:
            values[missing_codes[index]] = float(part.encoded_missing_value)
        # An index beyond the end of the table is an error, as it is in the library.
        if part.handle_unknown == "use_encoded_value":
            values.append(float(part.unknown_value))
        place = _place(nodes, part, index, name, variable, range(count), count)
        results.append(nodes.add("Gather", [nodes.constant(np.array(values), "float"), place], axis=0))
    if not np.issubdtype(part.dtype, np.floating):
        results = [nodes.cast(one, operator.outputs[0]) for one in results]
    nodes.finish(results, operator.outputs[0])


def _target(convert, scope, operator, container):
    part = operator.raw_operator
    _check(part, operator)
    missing = any(is_missing(one) for kept in part.categories_ for one in kept)
    if not missing or part.target_type_ not in ("binary", "continuous"):
        convert(scope, operator, container)
        return
    nodes, results = Nodes(scope, container), []
    for index, (name, variable) in enumerate(nodes.each(operator.inputs)):
        count = len(part.categories_[index])
        place = _place(nodes, part, index, name, variable, range(count), count)
        table = np.append(part.encodings_[index], part.target_mean_)
        results.append(nodes.add("Gather", [nodes.constant(table, "float"), place], axis=0))
    nodes.finish(results, operator.outputs[0])


def _texts(kept):
    return ["" if is_missing(one) else str(one) for one in kept]


def _check(part, operator):
    """Refuses categories that the graph cannot tell apart."""
    name = estimators.class_of(part)
    kinds = [variable for variable in operator.inputs for _ in range(variable.type.shape[1])]
    for index, (kept, variable) in enumerate(zip(part.categories_, kinds)):
        if np.asarray(kept).dtype.kind in "mM" or any(type(one).__name__ in ("Timestamp", "datetime") for one in kept):
            raise Refused(
                f"has dates as categories in its column {index}, and a graph holds none",
                "make texts or numbers of them before the call, and fit it on these",
                name,
            )
        if is_text(variable):
            texts = _texts(kept)
            if len(set(texts)) < len(texts):
                twice = next(one for one in texts if texts.count(one) > 1)
                what = "a missing text and the empty text" if twice == "" else f"{twice!r} as a text and as a value"
                raise Refused(
                    f"has {what} as two categories in its column {index}, which are one text in a graph",
                    "make one of them the other in the training data, and fit it again",
                    name,
                )
            continue
        if any(isinstance(one, str) for one in kept):
            raise Refused(
                f"has texts among the categories of its column {index}, which is a number in the graph",
                "name the column as a text with --inputs, or fit it on one kind of values",
                name,
            )
        single = np.float64 if type(variable.type).__name__ == "DoubleTensorType" else np.float32
        numbers = [float(one) for one in kept if not is_missing(one)]
        if len({single(one) for one in numbers}) < len(numbers):
            raise Refused(
                f"has categories in its column {index} that are one number in single precision",
                "fit it on texts, or on smaller numbers",
                name,
            )
