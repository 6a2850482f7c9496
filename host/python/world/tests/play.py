"""Plays a script in this world on the native interpreter, with a stand-in for the host.

Owns the process that a test starts, and the stand-in: its messages and its Redis. Must not know
what a test expects.

    played = play("def init(): ...", [call('{"a": 1}')])
    played.answers[0].status

The world changes its process, so each play has a process of its own. The variable
`SCOREBOX_WORLD_PLAYER` is the command of another player, such as one that runs this file in a
sandbox: it reads the same plan and writes the same report.
"""

import array
import base64
import io
import json
import marshal
import os
import shlex
import socket
import subprocess
import sys
import tempfile
import types
from dataclasses import dataclass

HERE = os.path.dirname(os.path.abspath(__file__))
WORLD = os.path.dirname(HERE)


@dataclass
class Answer:
    """How one call ended: `ending` is 0 for an answer, 1 for an exception, 2 for a bad request."""

    ending: int
    head: dict
    body: bytes

    @property
    def status(self):
        return self.head.get("status")

    @property
    def text(self):
        return self.body.decode()

    @property
    def value(self):
        return json.loads(self.body)


@dataclass
class Played:
    """What the host saw of a script."""

    answers: list
    logs: list
    metrics: list
    contract: dict
    stderr: str


def call(body=b"", **attributes):
    """Returns a request: a body, and attributes such as `method`."""
    body = body.encode() if isinstance(body, str) else body
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    given = {"id": "1", "source": "http", "method": "POST", "path": "/score", "query": "", "headers": []}
    given["content_type"] = "application/json"
    return {"attributes": {**given, **attributes}, "body": base64.b64encode(body).decode()}


def play(script, calls=(), server=None, **world):
    """Plays a script with calls.

    Of `world`, `files` and `model` are texts and bytes by name, and `environment` has variables.
    `path` has folders of packages, and `redis_port` is the port of a server. `after` is code of the
    instance that runs between the start and the calls. `server` is the name of another program
    that plays the plan, whose output is returned as it is.
    """
    with tempfile.TemporaryDirectory() as folder:
        code, models = os.path.join(folder, "app"), os.path.join(folder, "model")
        _write(code, {"score.py": script, **world.pop("files", {})})
        _write(models, world.pop("model", {}))
        plan = {"environment": {}, "redis_port": None, "path": [], "after": "", **world}
        plan.update(code=code, model=models, calls=list(calls))
        player = [] if server else shlex.split(os.environ.get("SCOREBOX_WORLD_PLAYER", ""))
        command = player or [sys.executable, os.path.join(HERE, server or __file__)]
        done = subprocess.run(
            command, input=json.dumps(plan), capture_output=True, text=True, timeout=600, cwd=folder
        )
    if not done.stdout.strip():
        raise AssertionError(done.stderr)
    seen = json.loads(done.stdout)
    if server:
        return seen
    answers = [Answer(one[0], one[1], base64.b64decode(one[2])) for one in seen["answers"]]
    return Played(answers, seen["logs"], seen["metrics"], seen["contract"], done.stderr)


def _write(folder, files):
    os.makedirs(folder)
    for name, content in files.items():
        file = os.path.join(folder, name)
        os.makedirs(os.path.dirname(file), exist_ok=True)
        with open(file, "wb") as opened:
            opened.write(content if isinstance(content, bytes) else content.encode())


class _Host:
    """The module `_host` of the engine, for a plan."""

    def __init__(self, plan):
        self.calls = plan["calls"]
        self.port = plan["redis_port"]
        self.seen = {"answers": [], "logs": [], "metrics": [], "contract": None}
        self.sockets = {}

    def call(self, message):
        kind, body = bytes(message[:1]), bytes(message[1:])
        return getattr(self, f"_on_{kind.decode()}")(body)

    def _on_Q(self, _):
        if not self.calls:
            raise ConnectionRefusedError("the end of the instance")
        one = self.calls.pop(0)
        return _packed(one["attributes"]) + base64.b64decode(one["body"])

    def _on_A(self, body):
        head, rest = _unpacked(body[1:])
        self.seen["answers"].append((body[0], head, base64.b64encode(rest).decode()))
        return b""

    def _on_L(self, body):
        self.seen["logs"].append((body[:1].decode(), body[1:].decode()))
        return b""

    def _on_M(self, body):
        self.seen["metrics"].append(json.loads(body))
        return b""

    def _on_S(self, body):
        self.seen["contract"] = json.loads(body)
        return b""

    def _on_J(self, body):
        # The decoder of the module would ask the host. The host may leave arrays to Python.
        text = body[4 + int.from_bytes(body[:4], "little") :]
        try:
            return marshal.dumps(json.JSONDecoder().decode(text.decode()))
        except ValueError:
            return b""

    def _on_I(self, _):
        return json.dumps({"name": "m", "version": "1", "digest": "sha256:0", "labels": {"a": "b"}}).encode()

    def _on_G(self, body):
        """A graph `double` that doubles its inputs, which are of 64-bit floats."""
        head, data = _unpacked(body)
        if head["graph"] != "double":
            return b"\1" + b"the model has no such graph"
        doubled = array.array("d", (2 * value for value in memoryview(data).cast("d")))
        outputs = [dict(one, name="doubled") for one in head["inputs"]]
        return b"\0" + _packed({"outputs": outputs}) + doubled.tobytes()

    def _on_R(self, body):
        protocol, commands = chr(body[0]) if body[0] > 9 else str(body[0]), body[1:]
        try:
            return b"\0" + self._exchanged(protocol, commands)
        except OSError as error:
            self.sockets.pop(protocol, None)
            return b"\1" + str(error).encode()

    def _exchanged(self, protocol, commands):
        if protocol not in self.sockets:
            opened = socket.create_connection(("127.0.0.1", self.port or 1), timeout=5)
            self.sockets[protocol] = opened, opened.makefile("rb")
            self._exchanged(protocol, b"*2\r\n$5\r\nHELLO\r\n$1\r\n%s\r\n" % protocol.encode())
        sock, replies = self.sockets[protocol]
        sock.sendall(commands)
        return b"".join(_value_of(replies) for _ in range(_count(commands)))


def _count(commands):
    stream, count = io.BytesIO(commands), 0
    while stream.tell() < len(commands):
        _value_of(stream)
        count += 1
    return count


def _value_of(stream):
    """Reads the bytes of one value of RESP."""
    line = stream.readline()
    kind, rest = line[:1], line[1:].strip()
    if kind in b"$=!" and int(rest) >= 0:
        return line + stream.read(int(rest) + 2)
    if kind in b"*~>%":
        return line + b"".join(
            _value_of(stream) for _ in range(max(int(rest), 0) * (2 if kind == b"%" else 1))
        )
    return line


def _packed(head):
    text = json.dumps(head).encode()
    return len(text).to_bytes(4, "little") + text


def _unpacked(message):
    size = int.from_bytes(message[:4], "little")
    return json.loads(message[4 : 4 + size]), message[4 + size :]


def _main():
    plan = json.load(sys.stdin)
    output = sys.stdout
    host = _Host(plan)
    sys.modules["_host"] = types.SimpleNamespace(call=host.call)
    # The folder of the tests is not on the path of an instance.
    sys.path[0] = WORLD
    sys.path[0:0] = plan["path"]
    import scorebox_world

    scorebox_world.CODE, scorebox_world.MODEL = plan["code"], plan["model"]
    try:
        scorebox_world.start("score.py", environment=plan["environment"])
        exec(plan["after"], {"scorebox_world": scorebox_world})
        if host.seen["contract"] is not None:
            scorebox_world.loop()
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.__stderr__)
    json.dump(host.seen, output)
    output.flush()
    os._exit(0)


if __name__ == "__main__":
    _main()
