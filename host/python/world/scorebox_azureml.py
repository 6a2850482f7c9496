"""Modules that scripts import and that no package brings: those of Azure ML, and old names.

Owns the names of these modules and where a registered model lies. Must not know requests beyond
their class.
"""

import os
import sys
from types import ModuleType

import scorebox_hooks
from scorebox_request import AMLRequest
from scorebox_response import AMLResponse

_used = False


def rawhttp(run):
    """Makes the script get requests as they are. Like on the retired server, once is for all."""
    global _used
    _used = True
    return run


def rawhttp_was_used():
    """Returns true if a script was decorated with `@rawhttp`."""
    return _used


class Model:
    """A registered model, of which only the place of its files is known."""

    @staticmethod
    def get_model_path(model_name, version=None, _workspace=None):
        """Returns the path of a model's file, or of its folder if it has several files.

        Raises `FileNotFoundError` if the app's model has nothing of this name.
        """
        root = os.environ["AZUREML_MODEL_DIR"]
        found = _named(root, model_name, version) or _innermost(root)
        if found is None:
            raise FileNotFoundError(f"Model {model_name!r} is not in the model folder.")
        return found


def _named(root, name, version):
    path = os.path.join(root, name)
    if os.path.isdir(path):
        versions = _entries(path)
        if versions and all(one.isdigit() for one in versions):
            path = os.path.join(path, str(version) if str(version) in versions else max(versions, key=int))
        return _only_entry(path) or path
    if os.path.exists(path):
        return path
    stems = [one for one in _entries(root) if os.path.splitext(one)[0] == name]
    return os.path.join(root, stems[0]) if len(stems) == 1 else None


def _only_entry(folder):
    entries = _entries(folder)
    return os.path.join(folder, entries[0]) if len(entries) == 1 else None


def _innermost(folder):
    # A model whose name is another one is meant if there is no second one.
    found = _only_entry(folder)
    return _innermost(found) or found if found else None


def _entries(folder):
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


def install():
    """Makes the modules importable. Packages of the app with these names are not used."""
    for package in ("azureml.contrib.services", "azureml_inference_server_http.api"):
        _module(f"{package}.aml_request", AMLRequest=AMLRequest, rawhttp=rawhttp)
        _module(f"{package}.aml_response", AMLResponse=AMLResponse)
    _module("azureml.core.model", Model=Model)
    sys.modules["azureml.core"].Model = Model
    scorebox_hooks.after_import("sklearn.externals", _add_joblib)


def _module(name, **members):
    parent = None
    for end in [at for at, letter in enumerate(name) if letter == "."] + [len(name)]:
        part = name[:end]
        if part not in sys.modules:
            sys.modules[part] = ModuleType(part, "A stand-in for the package of Azure ML.")
            sys.modules[part].__path__ = []
            if parent is not None:
                setattr(parent, part.rpartition(".")[2], sys.modules[part])
        parent = sys.modules[part]
    vars(parent).update(members)


def _add_joblib(externals):
    # Scripts and pickles of scikit-learn before 0.23 know joblib by this name.
    import joblib.numpy_pickle

    externals.joblib = joblib
    sys.modules["sklearn.externals.joblib"] = joblib
    sys.modules["sklearn.externals.joblib.numpy_pickle"] = joblib.numpy_pickle
