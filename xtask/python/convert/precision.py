"""Trees that get numbers in double precision.

Owns the conversion of double numbers for trees, which compare single ones, as those of scikit-learn
and XGBoost do. A part before a tree, e.g. a scaler, then keeps all digits, because a tree may split
between two numbers that differ in the last digit. Must not know how trees are converted.
"""

import numpy as np

import estimators

# Transformers that return numbers unchanged, or whole numbers.
_EXACT = [
    "Binarizer",
    "CountVectorizer",
    "FunctionTransformer",
    "KBinsDiscretizer",
    "MissingIndicator",
    "OneHotEncoder",
    "OrdinalEncoder",
    "SelectFromModel",
    "SelectFpr",
    "SelectKBest",
    "SelectPercentile",
    "SimpleImputer",
    "VarianceThreshold",
]

# Names of the converters of trees, with their prefixes.
_NAMES = [
    "SklearnDecisionTreeClassifier",
    "SklearnDecisionTreeRegressor",
    "SklearnExtraTreeClassifier",
    "SklearnExtraTreeRegressor",
    "SklearnRandomForestClassifier",
    "SklearnRandomForestRegressor",
    "SklearnExtraTreesClassifier",
    "SklearnExtraTreesRegressor",
    "SklearnGradientBoostingClassifier",
    "SklearnGradientBoostingRegressor",
    "SklearnHistGradientBoostingClassifier",
    "SklearnHistGradientBoostingRegressor",
    "SklearnIsolationForest",
    "XGBoostXGBClassifier",
    "XGBoostXGBRFClassifier",
    "XGBoostXGBRegressor",
    "XGBoostXGBRFRegressor",
    "LightGbmLGBMClassifier",
    "LightGbmLGBMRegressor",
]


# True during the conversion of a model whose trees get computed numbers.
_exact = False


def register(wrap):
    """Registers the converters. `wrap` puts a function around a registered converter."""
    for name in _NAMES:
        wrap(name, _in_single)
    wrap("SklearnTfidfTransformer", _weights)


def is_needed(model):
    """Returns True if a tree gets numbers that would take another branch in single precision. Also
    sets `_exact`, for the converters.
    """
    global _exact
    parts = list(estimators.walk(model))
    trees = any(map(_is_tree, parts))
    computed = [one for one in parts if hasattr(one, "transform") and not _is_container(one)]
    _exact = trees and any(type(one).__name__ not in _EXACT and not hasattr(one, "predict") for one in computed)
    return _exact or any(map(_parts_decimals, parts))


def _parts_decimals(part):
    """Returns True if a tree of HistGradientBoosting has a threshold that is just below a number of
    few digits and equals it in single precision.
    """
    if getattr(part, "_predictors", None) is None:
        return False
    for tree in np.ravel(np.array(part._predictors, dtype=object)):
        values = tree.nodes["num_threshold"][tree.nodes["is_leaf"] == 0]
        decimals = np.array([short(value) for value in values])
        if ((decimals > values) & (decimals.astype(np.float32) == values.astype(np.float32))).any():
            return True
    return False


def short(value):
    """Returns the nearest number with six digits if the threshold stands for it, up to rounding.
    Otherwise, returns the threshold.
    """
    found = float(f"{value:.6g}")
    return found if abs(found - value) <= 1e-9 * abs(value) else float(value)


def _is_tree(part):
    return any(name.endswith(type(part).__name__) for name in _NAMES)


def _is_container(part):
    return any(hasattr(part, one) for one in ("steps", "transformers_", "transformer_list"))


def _weights(convert, scope, operator, container):
    """Converts a TfidfTransformer, in double precision if trees get its numbers."""
    from nodes import Nodes

    part = operator.raw_operator
    if not _exact or part.norm not in (None, "l1", "l2"):
        convert(scope, operator, container)
        return
    nodes = Nodes(scope, container)
    values = nodes.cast(operator.inputs[0].full_name, "double")
    if part.use_idf:
        values = nodes.add("Mul", [values, nodes.constant(np.asarray(part.idf_), "double")])
    if part.norm is not None:
        norm = nodes.add("ReduceL1" if part.norm == "l1" else "ReduceL2", [values, nodes.integers([1])], keepdims=1)
        # A text without known words has the norm zero, by which it cannot be divided.
        zero, one = (nodes.constant(np.array([number]), "double") for number in (0.0, 1.0))
        norm = nodes.add("Where", [nodes.add("Equal", [norm, zero]), one, norm])
        values = nodes.add("Div", [values, norm])
    nodes.rename(nodes.cast(values, operator.outputs[0]), operator.outputs[0])


class _Single:
    """A part whose input and outputs are in single precision, as its converter sees it."""

    def __init__(self, operator, given, outputs):
        self._operator = operator
        self.inputs, self.outputs = [given], outputs
        self.input_full_names = [given.full_name]
        self.output_full_names = [output.full_name for output in outputs]

    def __getattr__(self, name):
        return getattr(self._operator, name)


def _in_single(convert, scope, operator, container):
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType
    from nodes import Nodes

    is_double = lambda variable: isinstance(variable.type, DoubleTensorType)
    if len(operator.inputs) != 1 or not is_double(operator.inputs[0]):
        convert(scope, operator, container)
        return
    nodes, before = Nodes(scope, container), len(container.nodes)
    new = lambda variable: scope.declare_local_variable("single", FloatTensorType(variable.type.shape))
    given = new(operator.inputs[0])
    nodes.rename(nodes.cast(operator.inputs[0].full_name, "float"), given)
    outputs = [new(output) if is_double(output) else output for output in operator.outputs]
    convert(scope, _Single(operator, given, outputs), container)
    if getattr(operator.raw_operator, "_predictors", None) is not None:
        # Trees with double numbers exist from this version of the operator set (opset) on.
        container.node_domain_version_pair_sets.add(("ai.onnx.ml", 3))
        _compare_doubles(container.nodes[before:], operator.raw_operator, given.full_name, operator.inputs[0].full_name)
    # The outputs get the precision that the following parts expect.
    for single, output in zip(outputs, operator.outputs):
        if single is not output:
            nodes.rename(nodes.cast(single.full_name, output), output)


def _compare_doubles(added, part, single, double):
    """Makes the trees of HistGradientBoosting in the graph compare double numbers. For example, the
    middle between -0.04 and -0.02 is not exactly -0.03.
    """
    from onnx import helper, numpy_helper

    trees = [tree.nodes for tree in np.ravel(np.array(part._predictors, dtype=object))]
    inner = [tree["is_leaf"] == 0 for tree in trees]
    for node in added:
        if not node.op_type.startswith("TreeEnsemble"):
            continue
        features = next(list(one.ints) for one in node.attribute if one.name == "nodes_featureids")
        if features != [int(one) for tree, some in zip(trees, inner) for one in tree["feature_idx"] * some]:
            raise RuntimeError("the nodes of the graph are not those of the trees")
        kept = [one for one in node.attribute if not one.floats]
        numbers = {one.name: np.array(one.floats, dtype=np.float64) for one in node.attribute if one.floats}
        numbers["nodes_values"] = np.concatenate([tree["num_threshold"] * some for tree, some in zip(trees, inner)])
        if hasattr(part, "_baseline_prediction"):
            numbers["base_values"] = np.ravel(part._baseline_prediction).astype(np.float64)
        del node.attribute[:]
        node.attribute.extend(kept)
        for name, values in numbers.items():
            node.attribute.append(helper.make_attribute(f"{name}_as_tensor", numpy_helper.from_array(values)))
        node.input[:] = [double if name == single else name for name in node.input]
