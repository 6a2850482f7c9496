"""NVIDIA's client `tritonclient` for HTTP: all it sends and reads, in JSON and in binary, plain and compressed.

Owns the calls. Must not know the types of other clients.
"""

import itertools

import ml_dtypes
import numpy as np
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from started import main, same

# True if data is binary, for the request and for the answer.
FORMS = list(itertools.product([False, True], repeat=2))
CODINGS = [None, "gzip", "deflate"]

NAN = float("nan")
TEXTS = np.array([["Köln", "Größe 🎉"], ["", "日本"]], dtype=object)


class Client(triton.InferenceServerClient):
    """Remembers the codings of the last call, which the client does not show."""

    def _post(self, request_uri, request_body, headers, query_params):
        response = super()._post(request_uri, request_body, headers, query_params)
        self.codings = (headers or {}).get("Content-Encoding"), response.get("Content-Encoding")
        return response


def asked(client, data, form=(True, True), **options):
    """Sends an array as `x`, and returns the array `y` of the answer. Texts come back as bytes."""
    given = triton.InferInput("x", list(data.shape), np_to_triton_dtype(data.dtype))
    given.set_data_from_numpy(data, binary_data=form[0])
    wanted = triton.InferRequestedOutput("y", binary_data=form[1])
    answer = client.infer("served", [given], outputs=[wanted], **options)
    output = answer.as_numpy("y")
    # Texts are bytes in binary answers, and texts in JSON.
    return output if output.dtype != object else np.vectorize(text, otypes=[object])(output)


def text(value):
    return value.decode() if isinstance(value, bytes) else value


def refused(client, data, status, part, form=(True, True)):
    try:
        answer = asked(client, data, form)
    except InferenceServerException as error:
        assert error.status() == status and part in error.message(), error
    else:
        raise AssertionError(f"{data} is answered: {answer}")


def values(floats, doubles, halves, wholes, texts, flags):
    """Every type, sent and read in each form, comes back as it went."""
    numbers = [[1.5, -2.0], [0.0, 0.1], [1e-7, 65504.0]]
    cases = [
        (floats, np.array(numbers + [[3e-40, 3.4028235e38]], np.float32)),
        (doubles, np.array(numbers + [[5e-324, 1.7976931348623157e308]], np.float64)),
        (halves, np.array(numbers, np.float16)),
        (wholes, np.array([[2**53 + 1, -(2**63)], [0, 2**63 - 1]], np.int64)),
        (texts, TEXTS),
        (flags, np.array([[True, False], [False, True]])),
    ]
    for (address, data), form in itertools.product(cases, FORMS):
        for rows in (data, data[:1], data[:0]):
            # The client writes the type FP16 into JSON as any number.
            if rows.size or address != texts:
                same(asked(Client(address), rows, form), rows)


def other_types(floats, wholes, flagged):
    """A number is taken in every type, in each form, and answered in the type of the model."""
    client = Client(floats)
    for form in FORMS:
        for kind in ("f2", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"):
            same(asked(client, np.array([[1, 0], [7, 100]], kind), form), np.array([[1, 0], [7, 100]], np.float32))
        tenths = np.array([[0.1, 1 / 3]])
        same(asked(client, tenths, form), tenths.astype(np.float32))
        same(asked(client, tenths.astype(np.float16), form), tenths.astype(np.float16).astype(np.float32))
        refused(client, np.array([[1, 2**24 + 1]]), "400", "16777217", form)
        refused(client, np.array([[1.0, 1e39]]), "400", "1e39", form)
        refused(client, np.array([[True, False]]), "400", "inputs.x.boolean", form)
        same(asked(Client(flagged), np.array([[True, False]]), form), np.array([[1, 0]], np.float32))
        whole = Client(wholes)
        same(asked(whole, np.array([[2.0, -0.0]]), form), np.array([[2, 0]]))
        same(asked(whole, np.array([[2**63 - 1, 5]], np.uint64), form), np.array([[2**63 - 1, 5]]))
        refused(whole, np.array([[0.5, 1.0]]), "400", "0.5", form)
        refused(whole, np.array([[2**63, 1]], np.uint64), "400", "9223372036854775808", form)
    half = np.array([[1.5, -3.0]], ml_dtypes.bfloat16)
    same(asked(client, half), half.astype(np.float32))


def missing(plain, missing, literal):
    """NaN as binary data passes. In JSON the client writes the word, which only a setting allows."""
    data = np.array([[1.5, NAN], [NAN, -2.0]], np.float32)
    for address, answer in itertools.product((plain, missing, literal), (False, True)):
        same(asked(Client(address), data, (True, answer)), data)
    for address in (plain, missing):
        refused(Client(address), data, "400", "NaN", (False, True))
    for form in FORMS:
        same(asked(Client(literal), data, form), data)


def compressed(floats, texts):
    """Each coding, both ways and in each form, gives the plain answer."""
    numbers = np.arange(4000, dtype=np.float32).reshape(-1, 2) / 3
    words = np.repeat(TEXTS, 300, axis=0)
    for (address, data), form, up, down in itertools.product(
        [(floats, numbers), (texts, words)], FORMS, CODINGS, CODINGS
    ):
        client = Client(address)
        options = {"request_compression_algorithm": up, "response_compression_algorithm": down}
        same(asked(client, data, form, **options), data)
        assert client.codings == (up, down), (client.codings, up, down)
        # A small answer stays plain.
        same(asked(client, data[:1], form, **options), data[:1])
        assert client.codings == (up, None), client.codings
    # A refusal is read, too, and the connection is kept.
    client = Client(floats)
    refused(client, np.array([["ä", "b"]], dtype=object), "400", "FP32")
    same(asked(client, numbers[:1]), numbers[:1])


def several(columns):
    """Inputs and outputs in both forms, in one call, and many compressed calls at a time."""
    age, days, city = np.array([[1.5], [NAN]]), np.array([[1], [2]], np.int32), TEXTS[:, :1]
    inputs = [
        triton.InferInput("age", [2, 1], "FP64").set_data_from_numpy(age),
        triton.InferInput("days", [2, 1], "INT32").set_data_from_numpy(days, binary_data=False),
        triton.InferInput("city", [2, 1], "BYTES").set_data_from_numpy(city),
    ]
    wanted = [("city_given", False), ("age_given", True), ("known", False), ("days_given", True)]
    outputs = [triton.InferRequestedOutput(name, binary_data=form) for name, form in wanted]
    options = {"request_compression_algorithm": "gzip", "response_compression_algorithm": "deflate"}
    with triton.InferenceServerClient(columns, concurrency=8) as client:
        calls = [client.async_infer("served", inputs, outputs=outputs, **options) for _ in range(50)]
        for call in calls:
            answer = call.get_result()
            assert [output["name"] for output in answer.get_response()["outputs"]] == [name for name, _ in wanted]
            same(answer.as_numpy("city_given"), city)
            same(answer.as_numpy("age_given"), age.astype(np.float32))
            same(answer.as_numpy("known"), np.array([[True], [False]]))
            same(answer.as_numpy("days_given"), days.astype(np.int64))


def refusals(floats, texts):
    """A call that does not fit is refused in words that the client shows."""
    number = np.array([[1, 2]], np.float32)
    for form in FORMS:
        refused(Client(floats), TEXTS, "400", "FP32" if form[0] else "a string", form)
        refused(Client(texts), number, "400", "BYTES" if form[0] else "a number", form)
        refused(Client(floats), number[0], "400", "1 dimension;", form)
    refused(Client(texts), np.array([["a", b"\x89PNG\r\n"]], dtype=object), "400", "element 1 of `x` is not UTF-8")
    given = triton.InferInput("w", [1, 2], "FP32").set_data_from_numpy(number)
    right = triton.InferInput("x", [1, 2], "FP32").set_data_from_numpy(number)
    classes = triton.InferRequestedOutput("y", class_count=1)
    shared = triton.InferRequestedOutput("y")
    shared.set_shared_memory("region", 8)
    remote = triton.InferInput("x", [1, 2], "FP32")
    remote.set_shared_memory("region", 8)
    for model, given, outputs, status, part in [
        ("served", right, [classes], "400", "`class_count`"),
        ("served", right, [shared], "400", "Shared memory"),
        ("served", remote, None, "400", "Shared memory"),
        ("served", given, None, "400", "no input of this name"),
        ("served", right, [triton.InferRequestedOutput("z")], "400", "no output of this name"),
        ("other", right, None, "404", "/v2/models/served/infer"),
    ]:
        try:
            Client(floats).infer(model, [given], outputs=outputs)
            raise AssertionError(f"{part}: it is answered")
        except InferenceServerException as error:
            assert error.status() == status and part in error.message(), error


def documents(floats, versioned):
    """Probes and metadata, and the request's id, version, parameters and priority."""
    client = Client(floats)
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("served")
    assert not client.is_model_ready("other")
    port = {"datatype": "FP32", "shape": [-1, 2]}
    model = client.get_model_metadata("served")
    (x,), (y,) = model["inputs"], model["outputs"]
    assert model["name"] == "served" and x == x | port | {"name": "x"} and y == y | port | {"name": "y"}, model
    server = client.get_server_metadata()
    assert server["name"] == "scorebox" and "binary_tensor_data" in server["extensions"], server
    # Documents of Triton's own, beyond the protocol.
    for asked in (
        lambda: client.get_model_config("served"),
        lambda: client.get_inference_statistics("served"),
        client.get_model_repository_index,
    ):
        try:
            asked()
            raise AssertionError("there is no such document")
        except InferenceServerException as error:
            assert error.status() == "404" and error.message(), error

    data = np.array([[1, 2]], np.float32)
    given = triton.InferInput("x", [1, 2], "FP32").set_data_from_numpy(data)
    options = {"request_id": "ä 1", "priority": 1, "timeout": 1_000_000, "parameters": {"a": 1, "b": "x", "c": True}}
    answer = client.infer("served", [given], **options)
    assert answer.get_response()["id"] == "ä 1", answer.get_response()
    same(answer.as_numpy("y"), data)
    same(client.async_infer("served", [given]).get_result().as_numpy("y"), data)

    client = Client(versioned)
    assert client.get_model_metadata("served", "3")["versions"] == ["3"]
    assert client.is_model_ready("served", "3") and not client.is_model_ready("served", "4")
    assert client.infer("served", [given], model_version="3").get_response()["model_version"] == "3"


main(values, other_types, missing, compressed, several, refusals, documents)
