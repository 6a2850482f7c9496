"""A script that tries redis-py in every way that scripts use it.

Runs in this world, and on the native interpreter against a server, with equal results. The
variable `REDIS_PORT` is the port of the server, for the native one.
"""

import os

import redis

OPTIONS = (
    {"port": int(os.environ["REDIS_PORT"])}
    if "REDIS_PORT" in os.environ
    else {
        "host": "contoso.redis.cache.windows.net",
        "port": 6380,
        "password": "the-access-key",
        "ssl": True,
        "ssl_cert_reqs": None,
    }
)


def client(**options):
    return redis.StrictRedis(**{**OPTIONS, **options})


def init():
    global r
    r = client()


def pipe(transaction):
    p = r.pipeline(transaction=transaction)
    p.set("a", 1)
    p.incr("a")
    p.get("a")
    p.lpush("a", 1)
    p.hgetall("h")
    return p.execute(raise_on_error=False)


def pool():
    held = (
        redis.ConnectionPool(**{**OPTIONS, "ssl": None})
        if False
        else redis.ConnectionPool(port=OPTIONS["port"])
    )
    return redis.Redis(connection_pool=held).get("x")


def locked():
    lock = r.lock("lk", timeout=5)
    return lock.acquire(blocking=False), lock.release()


CASES = {
    "clean": lambda: r.delete("a", "b", "n", "h", "z", "l", "s", "x", "big", "lk") >= 0,
    "ping": lambda: r.ping(),
    "missing": lambda: r.get("a"),
    "set": lambda: r.set("a", "hällo"),
    "get": lambda: r.get("a"),
    "nx": lambda: r.set("a", "2", nx=True),
    "binary": lambda: (r.set("b", b"\x00\xff\r\n", ex=50), r.ttl("b"), r.get("b")),
    "setex": lambda: r.setex("x", 60, "v"),
    "incr": lambda: (r.incr("n", 5), r.incrbyfloat("n", 1.5)),
    "mget": lambda: (r.mset({"a": 1, "b": 2}), r.mget("a", "b", "nope")),
    "hash": lambda: (r.hset("h", "f", 1), r.hgetall("h"), r.hget("h", "f"), r.hmget("h", "f", "g")),
    "sorted": lambda: (
        r.zadd("z", {"m": 1.5, "k": 2}),
        r.zrange("z", 0, -1, withscores=True),
        r.zscore("z", "m"),
    ),
    "list": lambda: (r.rpush("l", 1, 2, 3), r.lrange("l", 0, -1)),
    "set type": lambda: (r.sadd("s", 1, 2), sorted(r.smembers("s"))),
    "large": lambda: (r.set("big", b"x" * 3000000), len(r.get("big"))),
    "pipeline": lambda: pipe(False),
    "transaction": lambda: pipe(True),
    "empty pipeline": lambda: r.pipeline().execute(),
    "wrong type": lambda: r.lpush("n", 1),
    "decoded": lambda: client(decode_responses=True).get("x"),
    "pool": pool,
    "scan": lambda: sorted(r.scan_iter("h*")),
    "lock": locked,
    "eval": lambda: r.eval("return redis.call('get', KEYS[1])", 1, "x"),
    "registered": lambda: r.register_script("return ARGV[1]")(args=["q"]),
    "health check": lambda: client(health_check_interval=1).get("x"),
    "name": lambda: client(client_name="me").get("x"),
    "exists": lambda: (r.exists("a", "nope"), r.expire("a", 10), r.type("h")),
    "close": lambda: (r.connection_pool.disconnect(), r.get("x")),
    "list and dict": lambda: r.set("q", [1]),
}
if int(redis.__version__.split(".")[0]) >= 5:
    CASES["protocol 2"] = lambda: client(protocol=2).hgetall("h")
    CASES["protocol 3"] = lambda: client(protocol=3).hgetall("h")
    CASES["retry"] = lambda: client(retry_on_timeout=True, socket_timeout=5, socket_connect_timeout=1).get(
        "x"
    )


def run(names):
    import json

    results = {}
    for name in json.loads(names) or CASES:
        try:
            results[name] = repr(CASES[name]())
        except Exception as error:
            results[name] = f"{type(error).__name__}: {error}"
    return results


if __name__ == "__main__":
    import json

    init()
    print(json.dumps(run("null")))
