"""Native answers of a script: the process that `cargo xtask sample --python` starts.

Owns the form of the request (JSON on standard input) and of the outcome (JSON in a file), and the
order of a script's life: import, `init`, then `run` for each request. Runs in the author's own
environment, with its NumPy and its scikit-learn, because these answers are what the sandbox is
compared with. Must not know the sandbox.
"""

import importlib.metadata
import importlib.util
import json
import os
import platform
import sys
import traceback

import calls
import modules
import store

# Libraries whose versions are shown with the answers.
LIBRARIES = ["numpy", "pandas", "scipy", "scikit-learn"]


def main():
    job = json.load(sys.stdin)
    with open(job["outcome"], "w", encoding="utf-8") as file:
        json.dump(record(job), file, allow_nan=False)


def record(job):
    """Returns the answers of the script to the requests of a job, or the reason why one failed."""
    outcome = {"environment": environment(), "answers": []}
    os.environ.update(job["environment"])
    os.chdir(os.path.dirname(job["script"]))
    # The folder of this program must not hide modules of the script.
    sys.path[0] = os.path.dirname(job["script"])
    modules.install()
    store.install()
    step = "the import"
    try:
        script = load(job["script"])
        for name in ("init", "run"):
            if not callable(getattr(script, name, None)):
                raise calls.Unfit(f"the script has no function `{name}`")
        run = calls.parsed(script.run)
        step = "`init`"
        script.init()
        for request in job["requests"]:
            step = request["name"]
            outcome["answers"].append(calls.answer(run, request["body"]))
    except calls.Unfit as unfit:
        outcome["problem"] = f"{step}: {unfit}"
    except BaseException:
        traceback.print_exc()
        outcome["problem"] = f"{step}: the script failed, as shown above"
    return outcome


def load(path):
    spec = importlib.util.spec_from_file_location("entry_module", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def environment():
    found = [f"Python {platform.python_version()}"]
    for name in LIBRARIES:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            pass
    return ", ".join(found)


main()
