"""Types of labels: a graph answers with labels of the type that the library returns.

Owns the cast of a graph's labels. skl2onnx makes integers of labels that are floating-point numbers
or booleans. Must not know estimators, nor how labels are compared.
"""

import numpy as np

import free_names


def cast(graph, place, classes):
    """Casts the output with the index `place` to the type of the classes, if the graph has integers
    and the classes are floating-point numbers or booleans.
    """
    import onnx

    inner = graph.graph
    output = inner.output[place]
    kind = {"f": onnx.TensorProto.DOUBLE, "b": onnx.TensorProto.BOOL}.get(_kind(classes))
    if kind is None or output.type.tensor_type.elem_type != onnx.TensorProto.INT64:
        return
    new = free_names.of(inner)
    integers = output.name
    output.name = new(f"{integers}_typed")
    output.type.tensor_type.elem_type = kind
    inner.node.append(onnx.helper.make_node("Cast", [integers], [output.name], name=new("cast_labels"), to=kind))


def _kind(classes):
    return classes.dtype.kind if isinstance(classes, np.ndarray) and classes.ndim == 1 else None
