"""A model folder of MLflow: its model file, its columns, and its example rows.

Owns the form of `MLmodel`, and the list of files in the folder that are read. Must not know
estimators or graphs. Must not import or run what the folder names, such as its code, its
environment or its loader.
"""

import json
import os
from dataclasses import dataclass

from refusal import Refused, brief
import elsewhere
import mlflow_example

_FILE = "MLmodel"
# Key of the model's file in `MLmodel`, by the flavor.
_FLAVORS = {"onnx": "data", "xgboost": "data", "lightgbm": "data", "sklearn": "pickled_model"}
_MOST_BYTES = 4 << 20
_KINDS = {
    **dict.fromkeys(("double", "float", "long", "integer"), "number"),
    "boolean": "boolean",
    "string": "text",
}
# Element types of inputs in which a value may be missing.
_GAPS = ("f16", "f32", "f64", "text")
# File names of input examples. MLflow names the first file or both, and a folder that was made by
# hand may have either of them.
_EXAMPLES = ("input_example.json", "serving_input_example.json")
_AGAIN = "save the model again with MLflow, or name the model's own file"
_LOG = "log the model with mlflow.sklearn, mlflow.xgboost, mlflow.lightgbm or mlflow.onnx, or write a scorer"


@dataclass(frozen=True)
class Folder:
    """Facts about an MLflow folder that the conversion uses."""

    flavor: str
    file: str
    # Pairs of a name and a kind: `number`, `boolean` or `text`. Empty if the folder has no
    # signature with columns.
    columns: tuple
    # Names of the columns that the signature does not require.
    optional: frozenset
    # Input example as a JSON value, or None if there is none.
    example: object

    def sample(self, folder, warnings):
        """Writes the input example to a file in the form of --sample, and returns its path. Returns
        None if there is no example that is a table.
        """
        rows = mlflow_example.rows(self.example, [name for name, _ in self.columns])
        if rows is None:
            if self.example is not None:
                warnings.append("the input example of the MLflow folder is not a table, and is not used")
            return None
        path = os.path.join(folder, "example.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(rows, file)
        return path

    def values(self, ports):
        """Returns the input example as an array for each input of a graph. Returns None if the
        example does not show which value belongs to which input.
        """
        return mlflow_example.arrays(self.example, [name for name, _ in self.columns], ports)

    def inputs(self, model):
        """Returns inputs in the form of --inputs if the signature has columns of texts that the
        model does not know. Otherwise, returns an empty list.
        """
        import columns

        texts = {name for name, kind in self.columns if kind == "text"}
        names = getattr(model, "feature_names_in_", None)
        names = [] if names is None else [str(name) for name in names]
        if not texts or columns.reads_documents(model) or set(names) - {name for name, _ in self.columns}:
            return []
        known = columns.kinds(model, len(names), tuple(names))
        if all(kind == "text" for name, kind in zip(names, known) if name in texts):
            return []
        return [{"name": name, "kind": "text" if name in texts else "f32", "width": None} for name in names]

    def described(self, ports):
        """Adds facts that only the signature states to the described ports, and returns the ports.
        """
        names = [name for name, _ in self.columns]
        booleans = {name for name, kind in self.columns if kind == "boolean"}
        for port in ports:
            whole = _is_whole(ports, names)
            if whole and not port.get("columns"):
                port["columns"] = names
            held = set(names) if whole else {port["name"]}
            if held & booleans and port["dtype"] not in ("text", "bool"):
                port["boolean"] = True
            if port.get("missing") is None and port["dtype"] in _GAPS:
                # A graph does not state which values may be missing, but the signature states which
                # columns are optional.
                port["missing"] = bool(held & self.optional)
        return ports


def read(path):
    """Reads the description of the folder. Refuses flavors that cannot be converted, and files
    outside of the folder.
    """
    text = _text(path, _FILE)
    described = _parsed(text)
    flavors = described.get("flavors")
    if not isinstance(flavors, dict) or not flavors:
        raise Refused(f"its file {_FILE} names no flavor", _AGAIN)
    flavor = next((name for name in _FLAVORS if isinstance(flavors.get(name), dict)), None)
    if flavor is None:
        raise _other(flavors)
    named = flavors[flavor].get(_FLAVORS[flavor])
    if named is None and flavor in ("xgboost", "lightgbm") and isinstance(flavors.get("python_function"), dict):
        named = flavors["python_function"].get("data")
    if not isinstance(named, str):
        raise Refused(f"the flavor {flavor} names no `{_FLAVORS[flavor]}`", _AGAIN)
    file = _inside(path, named)
    if not os.path.isfile(file):
        raise Refused(f"the flavor {flavor} names {_shown(named)}, which is not in the folder", "copy the whole folder")
    columns, optional = _columns(described)
    return Folder(flavor, file, columns, optional, _example(path, described))


def _parsed(text):
    try:
        import yaml
    except ImportError:
        raise Refused(
            "is a folder of MLflow, and this environment has no yaml",
            "install PyYAML into it; the environment that `convert` makes itself has it",
        ) from None
    try:
        found = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise Refused(f"its file {_FILE} is not YAML: {brief(error)}", _AGAIN) from None
    return found if isinstance(found, dict) else {}


def _other(flavors):
    names = [str(name) for name in flavors]
    shown = ", ".join(_shown(name) for name in names if name != "python_function") or "python_function alone"
    fix = next((elsewhere.instruction(name) for name in names if elsewhere.instruction(name)), None)
    if "pytorch" in names:
        fix = elsewhere.instruction("torch")
    return Refused(f"its flavor is {shown}; {', '.join(_FLAVORS)} convert", fix or _LOG)


def _inside(path, name):
    """Returns the path of a file in the folder. Refuses a path that leads out of the folder, or
    that contains a link.
    """
    parts = name.split("/")
    file = os.path.join(path, name)
    if (
        os.path.isabs(name)
        or ".." in parts
        or "\0" in name
        or os.path.realpath(file)
        != os.path.join(os.path.realpath(path), *[part for part in parts if part not in ("", ".")])
    ):
        raise Refused(f"its file {_FILE} names {_shown(name)}, which is not in the folder", "copy the whole folder")
    return file


def _text(path, name):
    try:
        with open(_inside(path, name), encoding="utf-8") as file:
            text = file.read(_MOST_BYTES + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"its file {_shown(name)} cannot be read: {brief(error)}", "copy the whole folder") from None
    if len(text) > _MOST_BYTES:
        raise Refused(f"its file {_shown(name)} is larger than {_MOST_BYTES >> 20} MiB", _AGAIN)
    return text


def _shown(name):
    return f"`{ascii(str(name))[1:-1][:100]}`"


def _columns(described):
    """Returns the columns of the signature with their kinds, and the names of the optional columns.
    """
    signature = described.get("signature")
    inputs = signature.get("inputs") if isinstance(signature, dict) else None
    try:
        inputs = json.loads(inputs) if isinstance(inputs, str) else []
    except ValueError:
        inputs = []
    inputs = [one for one in inputs if isinstance(one, dict)] if isinstance(inputs, list) else []
    # Tensors and a single column without a name have no names that could be published.
    if not all(isinstance(one.get("name"), str) and one.get("type") != "tensor" for one in inputs):
        return (), frozenset()
    columns, optional = [], set()
    for one in inputs:
        kind = _KINDS.get(one.get("type"))
        if kind is None:
            fix = "log the model with numbers, texts and booleans in its columns"
            if one.get("type") == "datetime":
                fix = "make numbers of the dates before `fit` and before the call, and log the model again"
            what = _shown(one.get("type"))
            raise Refused(f"its signature gives the column {_shown(one['name'])} the type {what}", fix)
        columns.append((one["name"], kind))
        # MLflow 1 writes `optional` instead of `required`.
        if one.get("required") is False or one.get("optional") is True:
            optional.add(one["name"])
    return tuple(columns), frozenset(optional)


def _example(path, described):
    info = described.get("saved_input_example_info")
    info = info if isinstance(info, dict) else {}
    named = [name for name in (info.get("artifact_path"), info.get("serving_input_path")) if isinstance(name, str)]
    for name in [*named, *_EXAMPLES]:
        file = _inside(path, name)
        if not os.path.isfile(file) or os.path.getsize(file) > _MOST_BYTES:
            continue
        try:
            found = json.loads(_text(path, name))
        except (ValueError, RecursionError):
            continue
        # A sparse matrix is written as its internal arrays, which are not used.
        if not (isinstance(found, dict) and "indptr" in found):
            return found
    return None


def _is_whole(ports, names):
    """Returns True if the only input takes all columns."""
    return len(ports) == 1 and len(names) > 1 and ports[0]["shape"][1:] == [len(names)]
