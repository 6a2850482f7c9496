"""The request that a script with `@rawhttp` gets.

Owns the attributes that Flask's request has. Must not know how the request came here.
"""

import io
import json
import re
from urllib.parse import parse_qsl

from scorebox_headers import Headers, MultiDict


class BadRequest(ValueError):
    """The request does not fit what the script expects of it. The caller gets the message."""


class AMLRequest:
    """A request, with the attributes of Flask's request that concern the caller and the body."""

    scheme, remote_addr, environ = "http", None, {}

    def __init__(self, attributes=None, body=b""):
        attributes = attributes or {}
        self._body = bytes(body)
        self._form = None
        self.stream = io.BytesIO(self._body)
        self.method = (attributes.get("method") or "POST").upper()
        self.path = attributes.get("path") or "/score"
        query = (attributes.get("query") or "").lstrip("?")
        self.query_string = query.encode("utf-8", "surrogateescape")
        self.args = MultiDict(parse_qsl(query, keep_blank_values=True))
        self.headers = Headers()
        for name, value in Headers(attributes.get("headers") or ()):
            self.headers.add(name.title(), value)
        content_type = attributes.get("content_type")
        if content_type and "Content-Type" not in self.headers:
            self.headers.add("Content-Type", content_type)
        if self._body and "Content-Length" not in self.headers:
            self.headers.add("Content-Length", len(self._body))

    def __repr__(self):
        return f"<AMLRequest {self.url!r} [{self.method}]>"

    @property
    def content_type(self):
        """Media type of the body with its parameters, or `None`."""
        return self.headers.get("Content-Type")

    @property
    def mimetype(self):
        """Media type of the body without parameters, in lower case, or an empty text."""
        return (self.content_type or "").split(";")[0].strip().lower()

    @property
    def mimetype_params(self):
        """Parameters of the body's media type."""
        return _parameters(self.content_type or "")

    @property
    def content_length(self):
        """Size of the body that the caller stated, in bytes, or `None`."""
        return self.headers.get("Content-Length", type=int)

    @property
    def content_encoding(self):
        """Content coding of the body, or `None`."""
        return self.headers.get("Content-Encoding")

    @property
    def host(self):
        """Host and port of the header `Host`."""
        return self.headers.get("Host", "localhost")

    @property
    def host_url(self):
        """Address of the server."""
        return f"{self.scheme}://{self.host}/"

    root_url = url_root = host_url

    @property
    def base_url(self):
        """Address of the request without its query."""
        return f"{self.scheme}://{self.host}{self.path}"

    @property
    def full_path(self):
        """Path of the request with its query."""
        return f"{self.path}?{self.query_string.decode('utf-8', 'replace')}"

    @property
    def url(self):
        """Address of the request."""
        return self.host_url.rstrip("/") + (self.full_path if self.query_string else self.path)

    @property
    def cookies(self):
        """Cookies of the request."""
        pairs = (pair.partition("=") for pair in self.headers.get("Cookie", "").split(";"))
        return MultiDict((name.strip(), value.strip(' "')) for name, _, value in pairs if name.strip())

    @property
    def data(self):
        """Body of the request."""
        return self._body

    def get_data(self, cache=True, as_text=False, parse_form_data=False):
        """Returns the body of the request."""
        return self._body.decode("utf-8", "replace") if as_text else self._body

    @property
    def is_json(self):
        """True if the media type of the body is JSON."""
        return self.mimetype == "application/json" or bool(
            re.fullmatch("application/.*[+]json", self.mimetype)
        )

    @property
    def json(self):
        """The value of a body of JSON."""
        return self.get_json()

    def get_json(self, force=False, silent=False, cache=True):
        """Returns the value of a body of JSON.

        With `force`, the media type does not count. With `silent`, the value of a body that is not
        JSON is `None`. Raises `BadRequest` otherwise.
        """
        if not (force or self.is_json):
            if silent:
                return None
            raise BadRequest(
                "Did not attempt to load JSON data because the request Content-Type was not 'application/json'."
            )
        try:
            return json.loads(self._body)
        except (ValueError, RecursionError) as error:
            if silent:
                return None
            raise BadRequest(f"Failed to decode JSON object: {error}") from None

    @property
    def form(self):
        """Fields of a form in the body."""
        return self._parsed_form()[0]

    @property
    def files(self):
        """Files of a form in the body."""
        return self._parsed_form()[1]

    @property
    def values(self):
        """Parameters of the query and fields of the form together."""
        return MultiDict([*self.args.items(multi=True), *self.form.items(multi=True)])

    def _parsed_form(self):
        if self._form is None:
            self._form = MultiDict(), MultiDict()
            if self.mimetype == "application/x-www-form-urlencoded":
                text = self._body.decode("utf-8", "replace")
                self._form = MultiDict(parse_qsl(text, keep_blank_values=True)), MultiDict()
            elif self.mimetype == "multipart/form-data":
                self._form = _multipart(self._body, self.mimetype_params.get("boundary", ""))
        return self._form


class FileStorage:
    """A file of a form."""

    def __init__(self, content, name, filename, headers):
        self.stream = io.BytesIO(content)
        self.name, self.filename, self.headers = name, filename, headers
        self.content_length = len(content)

    def __getattr__(self, name):
        # `read`, `seek` and the like are those of the stream.
        return getattr(self.stream, name)

    def __iter__(self):
        return iter(self.stream)

    def __repr__(self):
        return f"<FileStorage: {self.filename!r} ({self.content_type!r})>"

    @property
    def content_type(self):
        """Media type of the file with its parameters, or `None`."""
        return self.headers.get("Content-Type")

    @property
    def mimetype(self):
        """Media type of the file without parameters, in lower case."""
        return (self.content_type or "").split(";")[0].strip().lower()


def _multipart(body, boundary):
    fields, files = [], []
    # The first line break belongs to the first boundary, so that all of them look the same.
    parts = (b"\r\n" + body).split(b"\r\n--" + boundary.encode()) if boundary else []
    for part in parts[1:]:
        head, separator, content = part.partition(b"\r\n\r\n")
        if not separator or part.startswith(b"--"):
            continue
        headers = Headers(
            (name.strip(), value.strip())
            for name, _, value in (
                line.partition(":") for line in head.decode("utf-8", "replace").split("\r\n")
            )
            if name.strip()
        )
        about = _parameters(headers.get("Content-Disposition", ""))
        name = about.get("name", "")
        if "filename" in about:
            files.append((name, FileStorage(content, name, about["filename"], headers)))
        else:
            fields.append((name, content.decode("utf-8", "replace")))
    return MultiDict(fields), MultiDict(files)


def _parameters(value):
    found = re.findall(r';\s*([^=;\s]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)', value)
    return {name.lower(): re.sub(r"\\(.)", r"\1", text.strip().strip('"')) for name, text in found}
