"""Says what its parameters are: arrays that the host may make, and arrays that only Python makes."""
import numpy as np
from inference_schema.parameter_types.numpy_parameter_type import NumpyParameterType
from inference_schema.schema_decorators import input_schema, output_schema


def init():
    pass


@input_schema("data", NumpyParameterType(np.zeros((1, 3))))
@input_schema("row", NumpyParameterType(np.zeros(2)))
@input_schema("cube", NumpyParameterType(np.zeros((1, 2, 1))))
@input_schema("whole", NumpyParameterType(np.zeros((1, 2), dtype=np.int64)))
@input_schema("loose", NumpyParameterType(np.zeros((1, 2)), enforce_shape=False))
@input_schema("untyped", NumpyParameterType(np.zeros((1, 2)), enforce_column_type=False))
@input_schema("raw", NumpyParameterType(np.zeros((1, 2))), convert_to_provided_type=False)
@input_schema("optional", NumpyParameterType(np.zeros((1, 2))), optional=True)
@output_schema(NumpyParameterType(np.zeros(1)))
def run(data=None, row=None, cube=None, whole=None, loose=None, untyped=None, raw=None, optional=None):
    return {name: said(value) for name, value in locals().items()}


def said(value):
    if not isinstance(value, np.ndarray):
        return repr(value)
    value += 1
    return [value.dtype.str, value.shape, value.flags.c_contiguous, value.flags.owndata, repr(value.tolist())]
