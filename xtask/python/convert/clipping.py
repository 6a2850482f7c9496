"""Bounds of probabilities: 0 and 1.

Owns the list of operators whose results can exceed these bounds by rounding, and the node that
clips the results. Must not know estimators.
"""

import numpy as np

import free_names

# Operators whose results are always within 0 and 1.
_BOUNDED = ("Softmax", "Sigmoid", "Clip", "Normalizer")
_BOUNDED_AFTER = ("LinearClassifier", "TreeEnsembleClassifier")
# Version of the operator set (opset) for a graph that states none, and first version in which the
# bounds of Clip are inputs.
_OPSET, _BOUNDS_ARE_INPUTS = 18, 11
# Operators that do not change numbers, or change them too little to exceed the bounds.
_THROUGH = ("Identity", "Cast", "Reshape", "Squeeze")


def clip(graph, place):
    """Clips the output with the index `place` to the range from 0 to 1, unless its numbers are
    within this range anyway.
    """
    import onnx

    inner = graph.graph
    output = inner.output[place]
    kind = output.type.tensor_type.elem_type
    if kind not in (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE) or _is_bounded(inner, output.name):
        return
    new = free_names.of(inner)
    before, low, high = new(f"{output.name}_unclipped"), new("probability_low"), new("probability_high")
    for node in inner.node:
        for field in (node.input, node.output):
            for index, name in enumerate(field):
                if name == output.name:
                    field[index] = before
    name = new("clip_probabilities")
    opset = next((one for one in graph.opset_import if one.domain == ""), None)
    if opset is None:
        opset = graph.opset_import.add()
        opset.version = _OPSET
    if opset.version < _BOUNDS_ARE_INPUTS:
        inner.node.append(onnx.helper.make_node("Clip", [before], [output.name], name=name, min=0.0, max=1.0))
        return
    number = np.float64 if kind == onnx.TensorProto.DOUBLE else np.float32
    inner.initializer.append(onnx.numpy_helper.from_array(np.array(0, dtype=number), low))
    inner.initializer.append(onnx.numpy_helper.from_array(np.array(1, dtype=number), high))
    inner.node.append(onnx.helper.make_node("Clip", [before, low, high], [output.name], name=name))


def _is_bounded(graph, name):
    makers = {output: node for node in graph.node for output in node.output}
    node = makers.get(name)
    while node is not None and node.op_type in _THROUGH:
        node = makers.get(node.input[0])
    if node is None:
        return False
    if node.op_type in _BOUNDED:
        return True
    if node.op_type not in _BOUNDED_AFTER:
        return False
    attributes = {one.name: one for one in node.attribute}
    after = attributes["post_transform"].s if "post_transform" in attributes else b"NONE"
    # A single tree does not add numbers up, so it does not round them.
    single = "nodes_treeids" in attributes and len(set(attributes["nodes_treeids"].ints)) == 1
    return after in (b"SOFTMAX", b"LOGISTIC") or single and not any(
        attributes[one].floats for one in ("base_values",) if one in attributes
    )
