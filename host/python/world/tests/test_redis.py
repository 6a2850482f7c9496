"""Tests of the package `redis` over the store of the host, against a real server.

They need `redis-server` and redis-py. The variable `SCOREBOX_REDIS_VERSIONS` may name a folder
that has further versions of redis-py, each in a folder of its own.
"""

import importlib.util
import json
import os
import subprocess
import sys
import unittest

from play import HERE, call, play
from with_redis import WithRedis

SCRIPT = open(os.path.join(HERE, "redis_script.py"), encoding="utf-8").read()


def versions():
    folder = os.environ.get("SCOREBOX_REDIS_VERSIONS")
    return [None] + [os.path.join(folder, one) for one in sorted(os.listdir(folder))] if folder else [None]


@unittest.skipUnless(importlib.util.find_spec("redis"), "redis-py is not installed")
class Redis(WithRedis):
    def test_every_version_answers_as_natively(self):
        for version in versions():
            with self.subTest(version):
                path = [version] if version else []
                inherited = os.environ.get("PYTHONPATH")
                python_path = os.pathsep.join(path + ([inherited] if inherited else []))
                environment = {**os.environ, "REDIS_PORT": str(self.port), "PYTHONPATH": python_path}
                file = os.path.join(HERE, "redis_script.py")
                done = subprocess.run(
                    [sys.executable, file], env=environment, capture_output=True, text=True, check=True
                )
                native = json.loads(done.stdout)
                played = play(SCRIPT, [call("null")], redis_port=self.port, path=path)
                self.assertEqual(played.answers[0].ending, 0, played.answers[0].text)
                found = played.answers[0].value
                self.maxDiff = None
                self.assertEqual(found, native)
                self.assertGreater(len(found), 25)
                notes = [text for level, text in played.logs if "Redis client" in text]
                self.assertEqual(len(notes), 1)
                self.assertIn("ignored: address, password, TLS.", notes[0])

    def test_other_ways_to_connect_lead_to_the_store(self):
        script = """
import redis
def init(): pass
def run(what):
    return repr(eval(what))
"""
        ways = (
            "redis.Redis().set('w', 1)",
            "redis.from_url('rediss://user:key@host:6380/3').get('w')",
            "redis.from_url('redis://host').get('w')",
            "redis.from_url('unix:///tmp/x.sock').get('w')",
            "redis.Redis(unix_socket_path='/tmp/x').get('w')",
            "redis.Redis(db=3).get('w')",
            "redis.Redis(connection_pool=redis.BlockingConnectionPool(host='h', port=1, max_connections=2)).get('w')",
            "redis.Redis(connection_pool=redis.ConnectionPool(host='h', port=1)).get('w')",
            "redis.Redis(ssl=True, ssl_ca_certs='/etc/ca.pem', ssl_keyfile='/k').get('w')",
            "redis.Redis(username='u', password='p').get('w')",
            "redis.Redis(single_connection_client=True).get('w')",
        )
        for version in versions():
            calls = [call(one) for one in ways]
            played = play(script, calls, redis_port=self.port, path=[version] if version else [])
            for way, answer in zip(ways, played.answers):
                with self.subTest(way, version=version):
                    self.assertIn(answer.text, ('"True"', '''"b'1'"'''))

    def test_a_store_that_is_away_fails_at_once_and_comes_back(self):
        # The script takes the time, so that the start of its interpreter does not count.
        script = SCRIPT + """
import time
answer = run
def run(data):
    begun = time.monotonic()
    return {"found": answer(data), "seconds": time.monotonic() - begun}
"""
        for version in versions():
            with self.subTest(version):
                played = play(
                    script, [call('["get", "ping"]')], redis_port=1, path=[version] if version else []
                )
                answer = played.answers[0].value
                found = answer["found"]
                self.assertRegex(found["get"], "^ConnectionError: .*refused")
                self.assertRegex(found["ping"], "^ConnectionError: .*refused")
                self.assertLess(answer["seconds"], 2)

    def test_subscriptions_end_with_the_refusal_of_the_host(self):
        script = """
import redis
def init(): pass
def run(data):
    p = redis.Redis(protocol=2).pubsub()
    p.subscribe("c")
    return repr(p.get_message(timeout=0.01))
"""
        [answer] = play(script, [call("1")], redis_port=self.port).answers
        # The stand-in for the host answers the command. The host refuses it.
        self.assertIn("subscribe", answer.text)


if __name__ == "__main__":
    unittest.main()
