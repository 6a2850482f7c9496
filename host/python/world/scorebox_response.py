"""The answer of a script: what it returns, as status, headers and body.

Owns the rules by which a value becomes an answer. Must not know how the answer is sent.
"""

import json

from scorebox_door import PLAIN
from scorebox_headers import Headers

# NaN and infinite numbers are written, too. The host decides what becomes of them.
_encode = json.JSONEncoder().encode

_WHOLE = {"date", "expires", "last-modified", "retry-after", "set-cookie", "user-agent"}
"""Headers whose commas do not separate values."""


class AMLResponse:
    """An answer of which the script chooses the status and the headers."""

    def __init__(self, message, status_code, response_headers={}, json_str=False, run_function_failed=False):
        self.status_code = int(status_code)
        self.headers = Headers()
        self.data = b""
        if message is None or json_str:
            self.headers.add("Content-Type", "application/json")
            self.set_data(json.dumps({} if message is None else message))
        else:
            self.headers.add("Content-Type", "text/html; charset=utf-8")
            self.set_data(message)
        given = Headers(response_headers or {})
        if "Content-Type" in given:
            self.headers.remove("Content-Type")
        for name, value in given:
            # The retired server repeats a header for each of its values.
            for one in (value,) if name.lower() in _WHOLE else value.split(","):
                self.headers.add(name, one.strip())
        if run_function_failed:
            self.headers.add("x-ms-run-function-failed", "True")

    def set_data(self, message):
        """Sets the body: a text, bytes, or an iterable of them."""
        if isinstance(message, (str, bytes, bytearray, memoryview)):
            message = (message,)
        self.data = b"".join(one.encode() if isinstance(one, str) else bytes(one) for one in message)

    def get_data(self, as_text=False):
        """Returns the body."""
        return self.data.decode("utf-8", "replace") if as_text else self.data

    @property
    def content_type(self):
        """Media type of the body with its parameters, or `None`."""
        return self.headers.get("Content-Type")

    @content_type.setter
    def content_type(self, value):
        self.headers["Content-Type"] = value

    @property
    def status(self):
        """Status code as a text."""
        return str(self.status_code)

    @status.setter
    def status(self, value):
        self.status_code = int(str(value).split()[0])


class NotJson(TypeError):
    """The script returned a value that JSON cannot hold."""


def answer_of(value):
    """Returns the head and the body of the answer for a value that `run` returned.

    Raises `NotJson` if JSON cannot hold the value.
    """
    if hasattr(value, "status_code") and hasattr(value, "headers") and hasattr(value, "get_data"):
        return _answer_of_response(value)
    try:
        return PLAIN, _encode({} if value is None else value).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise NotJson(_why_not(value, error)) from None


def _answer_of_response(response):
    status = int(response.status_code)
    if not 200 <= status <= 599:
        raise ValueError(f"run() answered with the status {status}. Use one from 200 to 599.")
    headers = [(str(name), str(value)) for name, value in response.headers.items()]
    types = [value for name, value in headers if name.lower() == "content-type"]
    others = [pair for pair in headers if pair[0].lower() not in ("content-type", "content-length")]
    content_type = types[0] if types else "application/octet-stream"
    head = {"status": status, "headers": others, "content_type": content_type}
    return head, bytes(response.get_data())


def _why_not(value, error):
    text = f"run() returned a value that JSON cannot hold: {error}."
    if hasattr(value, "tolist"):
        return f"{text} Return its `tolist()`."
    return f"{text} Return dicts, lists, texts, numbers, booleans and None."
