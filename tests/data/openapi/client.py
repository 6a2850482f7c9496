"""Calls every route of a host with a client that openapi-python-client generated as `client`.

Usage: python3 client.py FOLDER URL, where FOLDER holds the package `client`. The host serves a graph
with the columns `age`, `income` and `city`.
"""

import importlib
import pkgutil
import sys

folder, url = sys.argv[1:]
sys.path.insert(0, folder)

from client import models  # noqa: E402
from client.client import Client  # noqa: E402

import client.api.default as api  # noqa: E402

operations = {
    found.name: importlib.import_module(f"{api.__name__}.{found.name}")
    for found in pkgutil.iter_modules(api.__path__)
}
host = Client(base_url=url, raise_on_unexpected_status=True)
called = set()


def call(name, **arguments):
    called.add(name)
    response = operations[name].sync_detailed(client=host, **arguments)
    assert response.status_code == 200, (name, response)
    return response.parsed


row = models.Row(age=30, income=0.5, city="Bonn")
columns = models.Columns(age=[30, 31], income=[0.5, 1.5], city=["Bonn", "Ulm"])
named = models.SplitByNameColumnsItem
split = models.SplitByName(
    columns=[named.CITY, named.AGE, named.INCOME], data=[["Bonn", 30, 0.5]]
)
for name in ["run_ml_service", "run_ml_service_1"]:
    assert call(name, body=[row, row]).same_age == [[30], [30]]
    assert call(name, body=columns).same_city == [["Bonn"], ["Ulm"]]
    assert call(name, body=split).same_income == [[0.5]]
for name, body in [
    ("predict", models.InstancesRequest(instances=[row])),
    ("invocations", models.DataframeSplitRequest(dataframe_split=split)),
]:
    assert call(name, body=body).predictions[0].same_city == ["Bonn"]
inputs = []
for index, (name, datatype, data) in enumerate(
    [("age", "INT64", [30]), ("income", "FP32", [0.5]), ("city", "BYTES", ["Bonn"])]
):
    kind = f"InferInputType{index}"
    inputs.append(
        getattr(models, kind)(
            name=getattr(models, f"{kind}Name")(name),
            datatype=getattr(models, f"{kind}Datatype")(datatype),
            shape=[1, 1],
            data=data,
        )
    )
answer = call("model_infer", body=models.InferRequest(inputs=inputs, id="a"))
assert answer.id == "a" and [output.data for output in answer.outputs] == [[30], [0.5], ["Bonn"]]
assert call("model_metadata").name == "served"
for name in operations:
    if name not in called:
        call(name)
print(len(called))
