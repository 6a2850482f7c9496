"""Calls Redis as a request says: {"calls": [[method, argument, …], …], "options": {…}, "pipeline": true or false or null}."""
import json

import redis


def init():
    pass


def plain(value):
    if isinstance(value, bytes):
        return {"bytes": value.decode("latin-1")}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, set):
        return sorted((plain(one) for one in value), key=json.dumps)
    if isinstance(value, dict):
        return [[plain(key), plain(one)] for key, one in value.items()]
    if isinstance(value, Exception):
        return {"error": type(value).__name__}
    return value


def run(raw_data):
    request = json.loads(raw_data)
    client = redis.StrictRedis(host="contoso.redis.cache.windows.net", port=6380, password="<key>", ssl=True,
                               **request.get("options", {}))
    transaction = request.get("pipeline")
    target = client if transaction is None else client.pipeline(transaction=transaction)
    answers = []
    for name, *arguments in request["calls"]:
        keywords = arguments.pop() if arguments and isinstance(arguments[-1], dict) and name not in ("zadd", "mset") else {}
        try:
            answers.append(plain(getattr(target, name)(*arguments, **keywords)))
        except Exception as error:
            answers.append(plain(error))
    if transaction is None:
        return answers
    return plain(target.execute(raise_on_error=False))
