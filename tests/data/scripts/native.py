"""Runs a score.py in this Python, as Azure ML's inference server calls it, and prints the answers.

Usage: native.py PROJECT < requests.json, where the requests are a list of JSON texts. The answers are a list of
{"answer": value} or {"raised": "Type: text"}. The variable NATIVE_REDIS, if it is set, is the port of the Redis server on this
machine that takes the place of the one in the script.
"""
import importlib.util
import json
import os
import sys
import types
from pathlib import Path


def prepare(project, entry="score.py"):
    """Imports the script and calls its init, with what old scripts expect of their environment."""
    import joblib

    # Old scripts import joblib from where scikit-learn had it until 0.22.
    externals = importlib.import_module("sklearn.externals")
    module = types.ModuleType("sklearn.externals.joblib")
    module.__dict__.update({name: getattr(joblib, name) for name in joblib.__all__ if hasattr(joblib, name)})
    module.load, module.dump = joblib.load, joblib.dump
    externals.joblib = sys.modules["sklearn.externals.joblib"] = module
    if port := os.environ.get("NATIVE_REDIS"):
        import redis

        real = redis.Redis

        def here(*_, **settings):
            kept = {name: settings[name] for name in ("decode_responses", "protocol") if name in settings}
            return real(host="127.0.0.1", port=int(port), retry=None, **kept)

        redis.Redis = redis.StrictRedis = here
    os.environ["AZUREML_MODEL_DIR"] = str(project / "model")
    sys.path.insert(0, str(project))
    # inference_schema knows a decorated function by the names of its module and of itself.
    spec = importlib.util.spec_from_file_location(f"score_{project.name}", project / entry)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    script.init()
    return script


def answer(script, body):
    """The answer to one body. A decorated run takes the keys of a JSON object, another one the text."""
    from inference_schema.schema_util import is_schema_decorated

    try:
        value = script.run(**json.loads(body)) if is_schema_decorated(script.run) else script.run(body)
        return {"answer": json.loads(json.dumps(value))}
    except Exception as error:
        return {"raised": f"{type(error).__name__}: {error}"}


if __name__ == "__main__":
    script = prepare(Path(sys.argv[1]).resolve())
    print(json.dumps([answer(script, body) for body in json.load(sys.stdin)]))
