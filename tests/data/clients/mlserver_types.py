"""MLServer's types of requests and answers, and its codecs for arrays and data frames.

Owns the calls. Must not know the types of other clients.
"""

import numpy as np
import pandas as pd

from started import MODEL, main, refused, same, sent, taken, without_start

without_start("mlserver")

from mlserver.codecs import Base64Codec, NumpyCodec, NumpyRequestCodec, PandasCodec, StringCodec  # noqa: E402
from mlserver.codecs.json import encode_to_json_bytes  # noqa: E402
from mlserver.types import (  # noqa: E402
    InferenceErrorResponse,
    InferenceRequest,
    InferenceResponse,
    MetadataModelResponse,
    MetadataServerResponse,
)

NAN = float("nan")


def bodies(request):
    """Returns the bodies in which a request may be sent: as pydantic writes it, and as MLServer itself does."""
    assert isinstance(request, InferenceRequest), request
    return request.model_dump_json().encode(), encode_to_json_bytes(request.model_dump())


def answered(address, body):
    answer = InferenceResponse.model_validate_json(taken(address, body))
    assert answer.model_name == "served", answer
    return answer


def arrays(floats, wholes, texts, flags):
    """Arrays in NumPy's default types are answered in the type of the model."""
    cases = [
        (floats, np.array([[1.5, 0.1], [-2, 1e-7]]), np.float32),
        (floats, np.array([[1, 2], [3, 4]]), np.float32),
        (floats, np.array([[1, 2]], np.uint8), np.float32),
        (wholes, np.array([[2**53 + 1, -(2**63)]]), np.int64),
        (wholes, np.array([[1.0, -3.0]]), np.int64),
        (flags, np.array([[True, False]]), np.bool_),
    ]
    for address, data, kind in cases:
        whole = NumpyRequestCodec.encode_request(data)
        whole.inputs[0].name = "x"
        alone = InferenceRequest(id="7", inputs=[NumpyCodec.encode_input("x", data)])
        for request in (whole, alone):
            for body in bodies(request):
                answer = answered(address, body)
                assert answer.id == request.id, answer
                same(NumpyCodec.decode_output(answer.outputs[0]), data.astype(kind))
    words = ["Köln", "Größe 🎉"]
    given = StringCodec.encode_input("x", words)
    given.shape = [1, 2]
    for body in bodies(InferenceRequest(inputs=[given])):
        assert StringCodec.decode_output(answered(texts, body).outputs[0]) == words
    refused(wholes, bodies(InferenceRequest(inputs=[NumpyCodec.encode_input("x", np.array([[0.5, 1]]))]))[0], "0.5")


def missing(plain, missing):
    """NaN, which the codecs write as null, is a missing value, and refused where none may be missing."""
    data = np.array([[1.5, NAN], [NAN, -2]])
    request = InferenceRequest(inputs=[NumpyCodec.encode_input("x", data)])
    for body in bodies(request):
        assert b"null" in body, body
        (output,) = answered(missing, body).outputs
        same(NumpyCodec.decode_output(output), data.astype(np.float32))
        refused(plain, body, "inputs.x.missing")


def frames(columns):
    """A data frame is one input for each column, and the answer is a data frame again."""
    frame = pd.DataFrame({"age": [30.5, NAN, 7], "days": [1, 2**53 + 1, 3], "city": ["Köln", "", "日本"]})
    for body in bodies(PandasCodec.encode_request(frame)):
        given = PandasCodec.decode_response(answered(columns, body))
        assert list(given.columns) == ["age_given", "days_given", "city_given", "known"], given
        same(given["age_given"].to_numpy(), frame["age"].to_numpy(np.float32))
        assert list(given["days_given"]) == list(frame["days"]), given
        assert list(given["city_given"]) == list(frame["city"]), given
        assert list(given["known"]) == [True, False, True], given
    # Whole numbers are floats as soon as one of them is missing.
    frame = pd.DataFrame({"age": [30, 31], "days": [1.0, NAN], "city": ["a", "b"]})
    refused(columns, bodies(PandasCodec.encode_request(frame))[0], "null")
    # A column of texts with other values is encoded as JSON.
    mixed = pd.DataFrame({"age": [30.0, 31], "days": [1, 2], "city": ["a", 1]})
    refused(columns, bodies(PandasCodec.encode_request(mixed))[0], "pd_json")
    encoded = InferenceRequest(inputs=[Base64Codec.encode_input("city", [b"a", b"b"])])
    refused(columns, bodies(encoded)[0], "base64")
    frame["days"] = [1.0, 2.0]
    given = PandasCodec.decode_response(answered(columns, bodies(PandasCodec.encode_request(frame))[0]))
    assert list(given["days_given"]) == [1, 2], given


def documents(columns):
    """The types of MLServer take the documents of the host, and its errors."""
    model = MetadataModelResponse.model_validate_json(sent(columns, MODEL).content)
    assert [port.name for port in model.inputs] == ["age", "days", "city"], model
    MetadataServerResponse.model_validate_json(sent(columns, "/v2").content)
    response = sent(columns, MODEL + "/infer", b"{}", {"content-type": "application/json"})
    error = InferenceErrorResponse.model_validate_json(response.content)
    assert response.status == 400 and error.error, response.content


main(arrays, missing, frames, documents)
