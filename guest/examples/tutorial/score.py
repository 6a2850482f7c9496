# Reads handwritten digits, and keeps the answers in Redis. A request is {"data": [[784 numbers from 0.0 to 1.0], ...]}.
import hashlib
import json
import os

import numpy as np
import redis
from inference_schema.parameter_types.numpy_parameter_type import NumpyParameterType
from inference_schema.schema_decorators import input_schema, output_schema
from sklearn.externals import joblib

input_sample = np.zeros((1, 784))
output_sample = np.array([7])


def init():
    global model
    global azrediscache
    # Scorebox ignores the address, the key and the TLS settings: scorebox.toml names the store.
    azrediscache = redis.StrictRedis(host='contoso.redis.cache.windows.net', port=6380, password='<access_key>', ssl=True)
    model = joblib.load(os.path.join(os.getenv('AZUREML_MODEL_DIR'), 'sklearn_mnist_model.pkl'))


@input_schema('data', NumpyParameterType(input_sample))
@output_schema(NumpyParameterType(output_sample))
def run(data):
    try:
        key = 'digits:' + hashlib.sha256(data.tobytes()).hexdigest()
        known = azrediscache.get(key)
        if known is not None:
            return json.loads(known)
        result = model.predict(data).tolist()
        azrediscache.set(key, json.dumps(result), ex=3600)
        return result
    except Exception as e:
        return str(e)
