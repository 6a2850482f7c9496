"""A model that is a graph already: the graph is copied, and the engine must be able to load it.

Owns the checks of the graph and its description. Must not know estimators, nor where the graph came
from.
"""

import os

from refusal import Refused, brief
import forms
import package_sample
import versions

# Maximum size of a protobuf message, in bytes.
_MOST_BYTES = (2 << 30) - 1
_KINDS = {1: "f32", 2: "u8", 3: "i8", 4: "u16", 5: "i16", 6: "i32", 7: "i64", 8: "text", 9: "bool", 10: "f16", 11: "f64"}
_KINDS |= {12: "u32", 13: "u64", 16: "bf16"}
_EXTERNAL = "name the folder of the .onnx file and its data files in `scorer.model`, which needs no conversion"


def copy(source, target, folder, warnings):
    """Copies the graph of an MLflow folder, and returns the outcome, which the caller writes into
    its report.
    """
    import onnx
    import onnxruntime

    try:
        graph = onnx.load(source, load_external_data=False)
    except Exception as error:  # noqa: BLE001 - protobuf's own error, whose class differs between versions.
        raise Refused(f"its graph cannot be read: {brief(error)}", forms.CUT) from None
    with open(target, "wb") as file:
        file.write(_whole(graph, source))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(target, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - the engine's own errors have no common type.
        raise Refused(
            f"ONNX Runtime {versions.of('onnxruntime')} refuses the graph: {brief(error)}",
            "export it again for an engine of this version, with operators of the standard domains",
        ) from error
    inputs, outputs = _ports(graph.graph.input, graph), _ports(graph.graph.output, graph, are_answers=True)
    inputs = folder.described([one | {"missing": None, "boolean": False, "columns": None} for one in inputs])
    example = folder.values(inputs)
    if example is None and folder.example is not None:
        warnings.append("the input example of the MLflow folder does not fit the inputs of the graph, and is not used")
    warnings.append("the graph was copied as it is: no library's answers are there to compare it with")
    libraries = {name: versions.used()[name] for name in ("python", "onnx", "onnxruntime") if name in versions.used()}
    operators = {}
    for node in graph.graph.node:
        operators[node.op_type] = operators.get(node.op_type, 0) + 1
    return {
        "kind": "converted",
        "estimator": {"class": "onnx.ModelProto"},
        "summary": "ONNX graph",
        "libraries": libraries,
        "inputs": inputs,
        "outputs": outputs,
        "classes": None,
        "opsets": {one.domain or "ai.onnx": one.version for one in graph.opset_import},
        "operators": dict(sorted(operators.items())),
        "sample": {"from": "none", "rows": 0},
        "comparison": {"tolerance": 0.0, "rows": 0, "agrees": True, "outputs": []},
        "example": package_sample.of_graph(session, inputs, example, warnings),
        "warnings": warnings,
    }


def _whole(graph, source):
    """Returns the bytes of an ONNX file. Weights in separate files are put into it."""
    from onnx import external_data_helper as external

    tensors = [one for one in external._get_all_tensors(graph) if external.uses_external_data(one)]
    if not tensors:
        with open(source, "rb") as file:
            return file.read()
    folder = os.path.dirname(source)
    entries = [{entry.key: entry.value for entry in one.external_data} for one in tensors]
    places = {entry.get("location", "") for entry in entries}
    missing = sorted(place for place in places if not os.path.isfile(os.path.join(folder, place)))
    if missing:
        raise Refused(
            f"its graph has weights in the file `{ascii(missing[0])[1:-1][:100]}`, which is not beside it",
            "copy that file next to the .onnx file, under the same name",
        )
    if sum(os.path.getsize(os.path.join(folder, place)) for place in places) > _MOST_BYTES:
        raise Refused("its graph has more weights beside it than one file can hold", _EXTERNAL)
    try:
        # The function refuses paths outside of the folder.
        external.load_external_data_for_model(graph, folder)
        return graph.SerializeToString(deterministic=True)
    except Exception as error:  # noqa: BLE001 - errors of protobuf and onnx have no common type.
        raise Refused(f"the weights beside its graph cannot be read: {brief(error)}", _EXTERNAL) from error


def _ports(found, graph, are_answers=False):
    weights = {one.name for one in graph.graph.initializer}
    ports = []
    for port in found:
        if port.name in weights:
            continue
        if are_answers and _is_zip_map(port):
            # A host returns this output as a matrix with one column for each class.
            ports.append({"name": port.name, "dtype": "f32", "shape": [None, None]})
            continue
        tensor = port.type.tensor_type
        if not port.type.HasField("tensor_type"):
            raise Refused(
                f"its graph has `{port.name}`, which is not a tensor",
                "export it again with a tensor in its place",
            )
        sizes = [one.dim_value if one.HasField("dim_value") else None for one in tensor.shape.dim]
        ports.append({"name": port.name, "dtype": _KINDS.get(tensor.elem_type, str(tensor.elem_type)), "shape": sizes})
    return ports


def _is_zip_map(port):
    """Returns True if a port is a list of maps to f32, which is the default output of skl2onnx's
    classifiers.
    """
    element = port.type.sequence_type.elem_type
    return element.HasField("map_type") and element.map_type.value_type.tensor_type.elem_type == 1
