"""TunedThresholdClassifierCV in a graph, with its threshold.

Owns the label. skl2onnx takes the label of the inner estimator, as if the threshold were one half.
Must not know how the inner estimator is converted.
"""

import numpy as np

from nodes import Nodes
import estimators


def register(wrap):
    """Registers a converter that replaces that of skl2onnx."""
    wrap("SklearnTunedThresholdClassifierCV", _tuned)


def _tuned(convert, scope, operator, container):
    from skl2onnx._supported_operators import sklearn_operator_name_map
    from skl2onnx.common.data_types import Int64TensorType, StringTensorType

    part = operator.raw_operator
    inner = part.estimator_
    alias = sklearn_operator_name_map.get(type(inner))
    if part.response_method == "decision_function" or not hasattr(inner, "predict_proba") or alias is None:
        raise estimators.refused_threshold(part)
    texts = part.classes_.dtype.kind in "OUS"
    label = scope.declare_local_variable("label_inside", StringTensorType() if texts else Int64TensorType())
    numbers = scope.declare_local_variable("probabilities_inside", type(operator.outputs[1].type)())
    within = scope.declare_local_operator(alias, inner)
    within.inputs = operator.inputs
    within.outputs.append(label)
    within.outputs.append(numbers)

    nodes = Nodes(scope, container)
    nodes.rename(numbers.full_name, operator.outputs[1])
    wanted = part.get_params().get("pos_label")
    best = 1 if wanted is None else int(np.flatnonzero(part.classes_ == wanted)[0])
    score = nodes.add("Gather", [numbers.full_name, nodes.constant(np.array(best), "int64")], axis=1)
    reached = nodes.add("GreaterOrEqual", [score, nodes.constant(np.array([part.best_threshold_]), operator.outputs[1])])
    place = nodes.add("Where", [reached, nodes.integers([best]), nodes.integers([1 - best])])
    classes = nodes.constant(part.classes_, label)
    nodes.rename(nodes.add("Gather", [classes, place], axis=0), operator.outputs[0])
