"""Takes two values and the headers, with the decorators of inference_schema."""
from inference_schema.parameter_types.pandas_parameter_type import PandasParameterType
from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType
from inference_schema.schema_decorators import input_schema, output_schema
import pandas as pd


def init():
    pass


@input_schema("data", PandasParameterType(pd.DataFrame({"age": [41], "city": ["Bern"]})))
@input_schema("factor", StandardPythonParameterType(2.0))
@output_schema(StandardPythonParameterType([82.0]))
def run(data, factor=1.0, request_headers=None):
    kind = request_headers.get("X-Kind") if request_headers else None
    return {"ages": (data.age * factor).tolist(), "cities": data.city.tolist(), "kind": kind}
