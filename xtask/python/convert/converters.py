"""Converters beyond those of skl2onnx.

Owns the registration of XGBoost's and LightGBM's, which onnxmltools has. Must not know the model, and imports a library
only if the model has brought it.
"""

import sys

from refusal import Refused


def register():
    """Registers what is loaded, so that it converts inside of pipelines too."""
    if "xgboost" in sys.modules:
        _xgboost()
    if "lightgbm" in sys.modules:
        _lightgbm()


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
