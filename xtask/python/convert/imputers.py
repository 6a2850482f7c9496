"""SimpleImputer and MissingIndicator in a graph: for numbers and for texts, with and without
indicators.

Owns their nodes. A missing text is the empty text in a graph, and a missing number is NaN. Must not
know encoders.
"""

import numpy as np

from nodes import Nodes, is_missing, is_text
from refusal import Refused
import estimators


def register(add, wrap):
    """Registers the converters. `add` registers one for a class, and `wrap` extends a converter of
    skl2onnx.
    """
    from sklearn.impute import MissingIndicator, SimpleImputer

    add(SimpleImputer, "SklearnSimpleImputer", _imputer_shape, _imputer)
    add(MissingIndicator, "ScoreboxMissingIndicator", _indicator_shape, _indicator)
    wrap("SklearnKNNImputer", _without_indicator)


def _imputer_shape(operator):
    part, output = operator.raw_operator, operator.outputs[0]
    indicators = part.indicator_.features_ if part.add_indicator else ()
    width = len(_kept(part)) + len(indicators)
    output.type = type(output.type)([operator.inputs[0].get_first_dimension(), width])


def _imputer(scope, operator, container):
    part, nodes = operator.raw_operator, Nodes(scope, container)
    text = is_text(operator.inputs[0])
    values = nodes.joined(operator.inputs, operator.outputs[0])
    missing = _mask(nodes, part, values, operator.inputs[0])
    kept = _kept(part)
    fill = part.statistics_.copy()
    # A column that is dropped has no number that fills gaps.
    fill[[index for index in range(len(fill)) if index not in kept]] = 0
    fill = fill.astype(getattr(part, "_fill_dtype", fill.dtype), copy=False)
    if text:
        fill = np.array([[str(one) for one in fill]], dtype=object)
    else:
        fill = np.array([fill.astype(np.float64)])
    results = [nodes.add("Where", [missing, nodes.constant(fill, operator.outputs[0]), values])]
    if len(kept) < len(part.statistics_):
        results = [nodes.columns(results[0], kept)]
    if part.add_indicator:
        shown = nodes.columns(missing, part.indicator_.features_)
        if text:
            # An encoder of these columns has these texts among its categories.
            words = [nodes.constant(np.array([[word]], dtype=object), operator.outputs[0]) for word in ("True", "False")]
            results.append(nodes.add("Where", [shown, *words]))
        else:
            results.append(nodes.cast(shown, operator.outputs[0]))
    nodes.finish(results, operator.outputs[0])


def _kept(part):
    """Returns the indices of the columns that an imputer keeps. It drops columns without any value
    in training.
    """
    every = range(len(part.statistics_))
    if getattr(part, "keep_empty_features", False):
        return list(every)
    return [index for index in every if not (isinstance(part.statistics_[index], float) and np.isnan(part.statistics_[index]))]


def _indicator_shape(operator):
    operator.outputs[0].type.shape = [operator.inputs[0].get_first_dimension(), len(operator.raw_operator.features_)]


def _indicator(scope, operator, container):
    part, nodes = operator.raw_operator, Nodes(scope, container)
    like = operator.inputs[0] if is_text(operator.inputs[0]) else operator.outputs[0]
    missing = _mask(nodes, part, nodes.joined(operator.inputs, like), operator.inputs[0])
    nodes.finish([nodes.cast(nodes.columns(missing, part.features_), operator.outputs[0])], operator.outputs[0])


def _mask(nodes, part, values, source):
    """Adds nodes that find missing values, and returns the name of the result, a matrix of
    booleans.
    """
    wanted = part.missing_values
    if is_text(source):
        key = "" if is_missing(wanted) else str(wanted)
        return nodes.cast(nodes.place(values, [key], [1], 0), "bool")
    if isinstance(wanted, str):
        raise Refused(
            f"takes the text {wanted!r} for missing, and its columns are numbers in the graph",
            "fit it with missing_values=numpy.nan, or name the columns as texts with --inputs",
            estimators.class_of(part),
        )
    if is_missing(wanted):
        # A whole number is never missing, and always equals itself.
        same = nodes.add("Equal", [values, values])
        return nodes.add("Not", [same])
    return nodes.add("Equal", [values, nodes.number(wanted, like=values)])


def _without_indicator(convert, scope, operator, container):
    if getattr(operator.raw_operator, "add_indicator", False):
        raise Refused(
            "has add_indicator=True, and skl2onnx leaves the indicators out",
            estimators.instead(operator.raw_operator),
            estimators.class_of(operator.raw_operator),
        )
    convert(scope, operator, container)
