"""Libraries whose models are not converted here, and the way to a model that is.

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
    """What to do with a model of this library; None for a library that is not known."""
    return _LIBRARIES.get(module.split(".")[0])
