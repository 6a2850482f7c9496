"""Reads handwritten digits with the pickle of the example `tutorial`, without Redis."""
import os

import joblib
import numpy as np
from inference_schema.parameter_types.numpy_parameter_type import NumpyParameterType
from inference_schema.schema_decorators import input_schema, output_schema


def init():
    global model
    model = joblib.load(os.path.join(os.getenv("AZUREML_MODEL_DIR"), "sklearn_mnist_model.pkl"))


@input_schema("data", NumpyParameterType(np.zeros((1, 784))))
@output_schema(NumpyParameterType(np.array([7])))
def run(data):
    return {"label": model.predict(data).tolist(), "probabilities": model.predict_proba(data).tolist()}
