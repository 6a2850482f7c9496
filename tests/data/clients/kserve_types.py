"""KServe's types of requests and answers, with the bodies and headers of its own client.

Owns the calls. Must not know the types of other clients.
"""

import numpy as np
import orjson

from started import MODEL, main, refused, same, sent, taken, without_start

without_start("kserve")

from kserve.protocol.infer_type import InferInput, InferRequest, InferResponse, RequestedOutput  # noqa: E402
from kserve.protocol.rest.v2_datamodels import (  # noqa: E402
    ModelMetadataResponse,
    ModelReadyResponse,
    ServerLiveResponse,
    ServerMetadataResponse,
    ServerReadyResponse,
)

NAN = float("nan")
KINDS = {"float32": "FP32", "float64": "FP64", "int64": "INT64", "bool": "BOOL", "object": "BYTES"}


def request(binary=False, outputs=None, **arrays):
    """Returns the body and the headers with which KServe's client sends these inputs."""
    inputs = []
    for name, data in arrays.items():
        given = InferInput(name, list(data.shape), KINDS[str(data.dtype)])
        given.set_data_from_numpy(data, binary_data=binary)
        inputs.append(given)
    body, length = InferRequest("served", inputs, request_id="7", request_outputs=outputs).to_rest()
    if length is None:
        return orjson.dumps(body), {"content-type": "application/json"}
    return body, {"content-type": "application/octet-stream", "inference-header-content-length": str(length)}


def output(body):
    """Returns the only output of an answer in JSON, as KServe's client reads it."""
    answer = InferResponse.from_rest(orjson.loads(body))
    assert (answer.model_name, answer.id) == ("served", "7"), answer
    (only,) = answer.outputs
    return only.as_numpy()


def values(floats, doubles, wholes, texts, flags):
    """Every type of KServe's codec comes back as it went, in JSON and in binary."""
    cases = [
        (floats, np.array([[1.5, 0.1]], np.float32)),
        (doubles, np.array([[5e-324, 1 / 3]])),
        (wholes, np.array([[2**53 + 1, -(2**63)]])),
        (texts, np.array([["Köln", ""]], dtype=object)),
        (flags, np.array([[True, False]])),
    ]
    for address, data in cases:
        for binary in (False, True):
            same(output(taken(address, *request(binary, x=data))), data)
    # The answer as binary data.
    data = np.array([[1.5, NAN]], np.float32)
    wanted = [RequestedOutput("y", {"binary_data": True})]
    response = sent(floats, MODEL + "/infer", *request(True, wanted, x=data))
    assert response.status == 200, response.content
    answer = InferResponse.from_bytes(response.content, int(response.headers["inference-header-content-length"]))
    same(answer.outputs[0].as_numpy(), data)


def missing(plain, missing, whole):
    """NaN, which KServe sends and reads as null, is a missing value, and refused where none may be missing."""
    for kind in (np.float32, np.float64):
        data = np.array([[1.5, NAN], [NAN, -2]], kind)
        body, headers = request(x=data)
        assert b"null" in body, body
        same(output(taken(missing, body, headers)), data.astype(np.float32))
        refused(plain, body, "inputs.x.missing")
        refused(whole, body, "null")
    # NaN in an answer, which the request did not hold as null.
    data = np.array([[NAN, 1]], np.float32)
    answer = taken(plain, *request(True, x=data))
    assert b"null" in answer, answer
    same(output(answer), data)


def documents(columns):
    """The types of KServe take the documents of the host."""
    model = ModelMetadataResponse.model_validate_json(sent(columns, MODEL).content)
    assert [port.name for port in model.inputs] == ["age", "days", "city"], model
    ServerMetadataResponse.model_validate_json(sent(columns, "/v2").content)
    assert ServerLiveResponse.model_validate_json(sent(columns, "/v2/health/live").content).live
    assert ServerReadyResponse.model_validate_json(sent(columns, "/v2/health/ready").content).ready
    ready = ModelReadyResponse.model_validate_json(sent(columns, MODEL + "/ready").content)
    assert (ready.name, ready.ready) == ("served", True), ready


main(values, missing, documents)
