"""A Redis server for the tests of one class.

Owns the server's process. Must not know what a test stores.
"""

import shutil
import socket
import subprocess
import time
import unittest


@unittest.skipUnless(shutil.which("redis-server"), "redis-server is not installed")
class WithRedis(unittest.TestCase):
    """Tests with a server at `port`, which nothing else uses."""

    @classmethod
    def setUpClass(cls):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            cls.port = free.getsockname()[1]
        command = [
            "redis-server",
            "--port",
            str(cls.port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--dir",
            "/tmp",
        ]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        cls.addClassCleanup(server.wait)
        cls.addClassCleanup(server.terminate)
        until = time.monotonic() + 20
        while time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", cls.port)).close()
                return
            except OSError:
                time.sleep(0.02)
        raise AssertionError("redis-server does not listen")
