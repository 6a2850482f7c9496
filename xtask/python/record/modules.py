"""Modules of Azure ML and of old releases that a script may import and an environment may lack.

Owns what stands in for them. Must not replace a module that the environment has: the stand-ins are
found only after everything else.
"""

import importlib.abc
import importlib.machinery
import os
import sys
import types


def install():
    sys.meta_path.append(Finder())


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Makes the modules in `CONTENTS`, and the packages that they are in."""

    def find_spec(self, name, path=None, target=None):
        inner = any(one.startswith(name + ".") for one in CONTENTS)
        if name not in CONTENTS and not inner:
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=inner)

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        fill = CONTENTS.get(module.__name__)
        if fill is not None:
            fill(module)


def _model(module):
    class Model:
        @staticmethod
        def get_model_path(model_name, version=None, _workspace=None):
            return os.path.join(os.environ["AZUREML_MODEL_DIR"], model_name)

    module.Model = Model


def _request(module):
    module._rawHttpRequested = False

    def rawhttp(function):
        module._rawHttpRequested = True
        return function

    module.rawhttp = rawhttp
    module.AMLRequest = type("AMLRequest", (), {})


def _response(module):
    class AMLResponse:
        def __init__(self, message, status_code, response_headers=None, json_str=False, run_function_failed=False):
            import json

            self.status_code = status_code
            self.headers = dict(response_headers or {})
            # Azure ML's server answers with an empty object if there is no message.
            self._text = json.dumps({} if message is None else message) if json_str or message is None else message

        def get_data(self, as_text=False):
            is_text = isinstance(self._text, str)
            if as_text:
                return self._text if is_text else bytes(self._text).decode()
            return self._text.encode() if is_text else bytes(self._text)

    module.AMLResponse = AMLResponse


def _joblib(module):
    import joblib

    sys.modules[module.__name__] = joblib


CONTENTS = {
    "azureml.core.model": _model,
    "azureml.core": lambda module: setattr(module, "Model", _get("azureml.core.model").Model),
    "azureml.contrib.services.aml_request": _request,
    "azureml.contrib.services.aml_response": _response,
    "azureml_inference_server_http.api.aml_request": _request,
    "azureml_inference_server_http.api.aml_response": _response,
    "sklearn.externals.joblib": _joblib,
}


def _get(name) -> types.ModuleType:
    import importlib

    return importlib.import_module(name)
