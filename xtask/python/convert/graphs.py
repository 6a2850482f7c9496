"""Graphs: their conversion, and the changes that let a host serve them.

Owns the versions of the operators, the options of the converters, and the names and shapes of the
ports. Must not know answers.
"""

import sys
import warnings as python_warnings

from refusal import Refused, brief
import capitals
import clipping
import estimators
import labels
import versions

# Versions of the operator sets (opsets): old enough for every converter, and new enough for trees
# in double precision.
_OPSETS = {"": 18, "ai.onnx.ml": 3}

# Python's default pattern of a word, and the pattern in the engine's syntax.
_PYTHON_WORD, _ENGINE_WORD = r"(?u)\b\w\w+\b", r"[\p{L}\p{N}_][\p{L}\p{N}_]+"

_KINDS = {1: "f32", 7: "i64", 8: "text", 9: "bool", 11: "f64"}


def convert(model, layout, name, warnings):
    """Converts a model to a graph, which is not finished yet. Refuses the model if a converter
    fails.
    """
    import skl2onnx

    _prepare(model)
    # A search such as GridSearchCV answers with the best estimator that it has found.
    while hasattr(model, "best_estimator_"):
        model = model.best_estimator_
    with python_warnings.catch_warnings(record=True) as caught:
        python_warnings.simplefilter("always")
        try:
            graph = skl2onnx.convert_sklearn(
                model,
                name=name,
                initial_types=layout.types(),
                target_opset=_OPSETS,
                options=_options(model, warnings),
            )
        except (MemoryError, Refused):
            raise
        except Exception as error:  # noqa: BLE001 - converters raise whatever their code meets.
            part = _at_fault(error)
            raise Refused(
                f"skl2onnx {versions.of('skl2onnx')} cannot convert it: {brief(error)}",
                estimators.SCORER if part is None else estimators.instead(part),
                None if part is None else estimators.class_of(part),
            ) from error
    for place, (output, method) in enumerate(estimators.methods(model)[: len(graph.graph.output)]):
        if method == "predict_proba":
            clipping.clip(graph, place)
        if output == "label":
            labels.cast(graph, place, getattr(model, "classes_", None))
    # The converter changes names that are not identifiers.
    for port, given in zip(graph.graph.input, layout.ports):
        _rename(graph.graph, port, given.name)
    ours = ("skl2onnx", "onnxmltools")
    said = [one for one in caught if issubclass(one.category, UserWarning)]
    warnings.extend(brief(one.message) for one in said if any(name in one.filename for name in ours))
    return graph


def _options(model, warnings):
    """Returns the options of the converters, by the id of the part to which they belong."""
    options = {}
    last = estimators.final(model)
    # Probabilities are requested as a matrix and not as maps. If there are none, the library's own
    # scores are requested.
    decides = "decision_function" in dict(estimators.methods(model)).values()
    wanted = {"zipmap": False} | ({"raw_scores": True} if decides else {})
    wanted = {option: value for option, value in wanted.items() if _takes(last, option)}
    if wanted:
        options[id(last)] = wanted
    if type(last).__name__ == "IsolationForest":
        options[id(last)] = {"score_samples": True}
    for part in estimators.walk(model):
        if type(part).__name__ in ("CountVectorizer", "TfidfVectorizer"):
            options[id(part)] = _text_options(part, warnings)
    return options


def _takes(part, option):
    """Returns True if the converter of a part supports an option."""
    from skl2onnx._supported_operators import sklearn_operator_name_map
    from skl2onnx.common._registration import get_converter

    alias = sklearn_operator_name_map.get(type(part))
    return alias is not None and option in (get_converter(alias).get_allowed_options() or ())


def _text_options(part, warnings):
    # Images do not contain locales. The locale `C` always exists, and changes the case of ASCII
    # letters only.
    if capitals.needs(part) and not capitals.are_all_known(part):
        name = type(part).__name__
        warnings.append(
            f"{name}: words with other letters than A to Z are known in lower case, capitalized and in capitals; "
            "lower-case other spellings before the call"
        )
    pattern = part.token_pattern
    return {"locale": "C", "tokenexp": _ENGINE_WORD if pattern == _PYTHON_WORD else pattern.removeprefix("(?u)")}


def _prepare(model):
    """Changes attributes of parts that the converters do not support. No answer changes."""
    for part in estimators.walk(model):
        if "xgboost" in sys.modules and type(part).__module__.startswith("xgboost"):
            # The trees name columns by their names, but the converter supports only numbers.
            part.get_booster().feature_names = None
        if type(part).__name__ == "VotingClassifier":
            # The attribute affects only `transform`, which is not used for a classifier.
            part.flatten_transform = False


def _at_fault(error):
    """Returns the part that a converter was converting when it failed, or None if it is not known.
    """
    found, frame = None, error.__traceback__
    while frame is not None:
        operator = frame.tb_frame.f_locals.get("operator")
        raw = getattr(operator, "raw_operator", None)
        found = raw if raw is not None and hasattr(raw, "fit") else found
        frame = frame.tb_next
    return found


def finish(graph, layout, names, results):
    """Names the outputs, removes unused inputs, and makes the number of rows the only open
    dimension, which is called N.
    """
    inner = graph.graph
    used = {name for node in inner.node for name in _mentioned(node)}
    kept = [port for port in inner.input if port.name in used]
    taken = {port.name for port in kept}
    # Some converters add outputs that the library does not have.
    del inner.output[len(names) :]
    for output, name in zip(inner.output, names):
        _rename(inner, output, name if name not in taken else f"output_{name}")
    del inner.input[:]
    inner.input.extend(kept)
    for port in inner.input:
        _open(port, len(port.type.tensor_type.shape.dim))
    for port, result in zip(inner.output, results):
        shape = port.type.tensor_type.shape
        del shape.dim[:]
        for size in result.shape:
            shape.dim.add().dim_value = size
        _open(port, result.ndim)
    graph.doc_string = inner.doc_string = ""


def _open(port, rank):
    if rank:
        first = port.type.tensor_type.shape.dim[0]
        first.Clear()
        first.dim_param = "N"


def _mentioned(node):
    """Yields the names of the tensors that a node reads, including those in its inner graphs."""
    yield from node.input
    for attribute in node.attribute:
        for inner in [attribute.g, *attribute.graphs] if attribute.type in (5, 10) else []:
            yield from (port.name for port in inner.output)
            for one in inner.node:
                yield from _mentioned(one)


def _rename(graph, port, name):
    """Renames an input or output of the graph. A tensor that already has the name is renamed as
    well.
    """
    old = port.name
    if old == name:
        return
    _replace(graph, name, f"{name}_inside")
    for other in [*graph.input, *graph.output]:
        if other.name == name:
            other.name = f"{name}_inside"
    _replace(graph, old, name)
    port.name = name


def _replace(graph, old, new):
    for node in graph.node:
        for field in (node.input, node.output):
            for index, name in enumerate(field):
                if name == old:
                    field[index] = new
        for attribute in node.attribute:
            if attribute.type == 5:
                _replace(attribute.g, old, new)


def ports(found):
    """Returns the ports for the report. An open dimension is null."""
    size = lambda dimension: None if dimension.dim_param else dimension.dim_value
    described = []
    for port in found:
        tensor = port.type.tensor_type
        kind = _KINDS.get(tensor.elem_type, str(tensor.elem_type))
        described.append({"name": port.name, "dtype": kind, "shape": [size(one) for one in tensor.shape.dim]})
    return described


def opsets(graph):
    """Returns the version of each operator set (opset), by its domain."""
    return {one.domain or "ai.onnx": one.version for one in graph.opset_import}


def operators(graph):
    """Returns the number of nodes of each operator in the graph."""
    found = {}
    for node in graph.graph.node:
        found[node.op_type] = found.get(node.op_type, 0) + 1
    return dict(sorted(found.items()))
