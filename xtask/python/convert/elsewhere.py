"""Libraries whose models this converter does not support, and another way to a graph for each.

Owns the instruction for each library. Must not know how a model is loaded.
"""

_EXPORT = "export it to ONNX where it was trained, by `{}`, and name the folder of that file in `scorer.model`"
_LIBRARIES = {
    "catboost": _EXPORT.format("model.save_model('model.onnx', format='onnx')"),
    "imblearn": "its samplers only act in `fit`: pickle a pipeline of scikit-learn with the other steps, "
    "`sklearn.pipeline.Pipeline([step for step in model.steps if not hasattr(step[1], 'fit_resample')])`",
    "torch": _EXPORT.format("torch.onnx.export(model, example, 'model.onnx')"),
    "keras": _EXPORT.format("model.export('model.onnx', format='onnx')"),
    "tensorflow": _EXPORT.format("model.export('model.onnx', format='onnx')"),
}


def instruction(module):
    """Returns the instruction for a model of the library `module`, or None if the library is not
    known.
    """
    return _LIBRARIES.get(module.split(".")[0])
