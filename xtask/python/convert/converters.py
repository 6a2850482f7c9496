"""Converters that skl2onnx does not have.

Owns the registration of the project's own converters, and of those for XGBoost and LightGBM in
onnxmltools. Must not know the model, and imports a library only if loading the model has imported
it.
"""

import sys

import precision
from refusal import Refused


def register():
    """Registers the converters of all loaded libraries, so that they also work inside pipelines."""
    _ours()
    if "xgboost" in sys.modules:
        _xgboost()
    if "lightgbm" in sys.modules:
        _lightgbm()
    precision.register(_wrap)


def _ours():
    """Registers converters for parts that skl2onnx converts incompletely, mostly because of missing
    values.
    """
    import capitals
    import encoders
    import imputers
    import thresholds
    import trees
    from skl2onnx import update_registered_converter
    from skl2onnx.common._registration import get_shape_calculator, register_shape_calculator

    imputers.register(update_registered_converter, _wrap)
    encoders.register(update_registered_converter, _wrap)
    trees.register(_wrap)
    capitals.register(_wrap)
    thresholds.register(_wrap)
    width = get_shape_calculator("SklearnOneHotEncoder")
    register_shape_calculator(
        "SklearnOneHotEncoder", lambda operator: encoders.one_hot_shape(width, operator), overwrite=True
    )


def _wrap(name, around):
    """Wraps the registered converter `name` in the function `around`. Does nothing if this version
    of skl2onnx does not have the converter.
    """
    from skl2onnx.common import _registration as registration

    if name not in registration._converter_pool:
        return
    inner = registration.get_converter(name)

    def convert(scope, operator, container):
        around(inner, scope, operator, container)

    registration.register_converter(name, convert, overwrite=True, options=inner.get_allowed_options())


def _xgboost():
    import xgboost

    _need("xgboost")
    from onnxmltools.convert.xgboost.operator_converters.XGBoost import convert_xgboost

    _add(
        convert_xgboost,
        "XGBoost",
        classifiers=[xgboost.XGBClassifier, xgboost.XGBRFClassifier],
        regressors=[xgboost.XGBRegressor, xgboost.XGBRFRegressor],
    )
    for kind in (xgboost.XGBClassifier, xgboost.XGBRFClassifier, xgboost.XGBRegressor, xgboost.XGBRFRegressor):
        _wrap("XGBoost" + kind.__name__, _without_zeros)


# Ids of the XGBoost models that get a sparse matrix.
_SPARSE = set()


def are_sparse(parts):
    """Sets the XGBoost models that get a sparse matrix. They treat zeros as missing, because a
    sparse matrix leaves zeros out.
    """
    _SPARSE.clear()
    _SPARSE.update(parts)


def _without_zeros(convert, scope, operator, container):
    from nodes import Nodes

    if id(operator.raw_operator) not in _SPARSE:
        convert(scope, operator, container)
        return
    nodes, given = Nodes(scope, container), operator.inputs[0].full_name
    values = nodes.cast(given, "float")
    zero, missing = nodes.number(0.0, values), nodes.number(float("nan"), values)
    filled = nodes.add("Where", [nodes.add("Equal", [values, zero]), missing, values])
    before = len(container.nodes)
    convert(scope, operator, container)
    for node in container.nodes[before:]:
        node.input[:] = [filled if name == given else name for name in node.input]


def _lightgbm():
    import lightgbm

    _need("lightgbm")
    from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm

    _add(convert_lightgbm, "LightGbm", classifiers=[lightgbm.LGBMClassifier], regressors=[lightgbm.LGBMRegressor])


def _add(convert, prefix, classifiers, regressors):
    from skl2onnx import update_registered_converter
    from skl2onnx.common.shape_calculator import (
        calculate_linear_classifier_output_shapes as classifier_shapes,
        calculate_linear_regressor_output_shapes as regressor_shapes,
    )

    options = {"zipmap": [True, False, "columns"], "nocl": [True, False], "raw_scores": [True, False]}
    for kind in classifiers:
        update_registered_converter(kind, prefix + kind.__name__, classifier_shapes, convert, options=options)
    for kind in regressors:
        update_registered_converter(kind, prefix + kind.__name__, regressor_shapes, convert, options={"split": None})


def _need(library):
    try:
        import onnxmltools  # noqa: F401
    except ImportError:
        raise Refused(
            f"is a model of {library}, and this environment has no onnxmltools",
            "install onnxmltools into it; the environment that `convert` makes itself has it",
        ) from None
