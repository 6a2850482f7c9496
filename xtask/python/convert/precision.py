"""Trees behind numbers in double precision.

Owns the way of double numbers into trees, which compare single ones: scikit-learn's and XGBoost's own do the same. What
comes before a tree, a scaler for instance, then has all of its digits. Must not know how trees are converted.
"""

# Names of the converters of trees, with the prefix that skl2onnx or we give them.
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


def register(wrap):
    """Registers the converters; `wrap` puts a function around one that is registered."""
    for name in _NAMES:
        wrap(name, _in_single)


class _Single:
    """A part as its converter sees it, with one input and its outputs of single precision."""

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
    nodes = Nodes(scope, container)
    new = lambda variable: scope.declare_local_variable("single", FloatTensorType(variable.type.shape))
    given = new(operator.inputs[0])
    nodes.rename(nodes.cast(operator.inputs[0].full_name, "float"), given)
    outputs = [new(output) if is_double(output) else output for output in operator.outputs]
    convert(scope, _Single(operator, given, outputs), container)
    # What comes out has the precision that the parts after it were promised.
    for single, output in zip(outputs, operator.outputs):
        if single is not output:
            nodes.rename(nodes.cast(single.full_name, output), output)
