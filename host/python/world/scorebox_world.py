"""The life of an instance: start, calls, and what surrounds a state image.

Owns the functions that the host runs: `start`, `loop`, `taken` and `resumed`. Must not know how a
script is called, or the form of messages.
"""

import gc
import io
import os
import random
import sys

import scorebox_azureml
import scorebox_door
import scorebox_guest_model
import scorebox_hints
import scorebox_json
import scorebox_logs
import scorebox_redis
import scorebox_response
import scorebox_schema
import scorebox_script
import scorebox_views
from scorebox_guest_errors import Rejected, Unavailable
from scorebox_request import BadRequest
from scorebox_response import AMLResponse

CODE, PACKAGES, MODEL = "/app", "/packages", "/model"
"""Folders that the host gives to an instance."""

_DESCRIPTORS = range(64)
"""File descriptors that are looked at. An instance may have fewer."""

_SHOWN_FILES = 50
"""Files of the model that the text of an error names."""

_script = None
_open_before = ()


def start(entry, environment=None, accelerated=()):
    """Imports the script `entry`, runs its `init` and sends the host its contract.

    `environment` is a dict of variables. `accelerated` has the files of the model whose estimators
    run as graphs. If the script raises an exception, the host gets the traceback in the place of
    the contract.
    """
    global _script, _open_before
    _open_before = _open_files()
    scorebox_logs.install()
    path = os.path.join(CODE, entry)
    # The interpreter remembers variables of the machine where its memory was made.
    os.environ.clear()
    os.environ.update({"AZUREML_MODEL_DIR": MODEL, "AML_APP_ROOT": CODE, "AZUREML_ENTRY_SCRIPT": entry})
    os.environ.update(environment or {})
    scorebox_views.install(CODE)
    _extend_path(os.path.dirname(path))
    try:
        if accelerated:
            import scorebox_accelerate

            scorebox_accelerate.install(accelerated)
        _script = scorebox_script.Script(path)
        _script.init()
        scorebox_logs.end_lines()
        scorebox_door.contract(_script.facts())
    except BaseException as error:
        if isinstance(error, FileNotFoundError):
            error.add_note(f"The model folder {os.environ['AZUREML_MODEL_DIR']} has: {_model_files()}")
        scorebox_logs.end_lines()
        scorebox_door.answer(scorebox_door.RAISED, {}, _text(error))


def loop():
    """Answers requests until the host ends the instance."""
    while True:
        try:
            attributes, body = scorebox_door.next_request()
        except ConnectionRefusedError:
            return
        ending, head, text = _answer(attributes, body)
        scorebox_logs.end_lines()
        try:
            scorebox_door.answer(ending, head, text)
        except MemoryError as error:
            # The message is a copy of the answer.
            text = None
            scorebox_door.answer(scorebox_door.RAISED, {}, _text(error))


def taken():
    """Prepares the memory for a state image, as the last step before the image is taken.

    Raises `RuntimeError` if the script keeps a file open, because an image has no files.
    """
    scorebox_logs.end_lines()
    # A look at the packages that are installed, e.g. for a version, keeps the library open.
    metadata = sys.modules.get("importlib.metadata")
    if metadata is not None:
        metadata.MetadataPathFinder.invalidate_caches()
    gc.collect()
    extra = _open_files() - set(_open_before)
    if extra:
        raise RuntimeError(
            f"The script keeps files open after init(): {', '.join(_names(extra))}. Read them whole, or close them."
        )
    gc.freeze()


def resumed():
    """Renews what must differ between instances that were made from one state image."""
    random.seed()
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()
    scorebox_redis.forget()


def _answer(attributes, body):
    try:
        return scorebox_door.ANSWERED, *scorebox_response.answer_of(_script.run(attributes, body))
    except BadRequest as error:
        return scorebox_door.REFUSED, {}, _message(error)
    except Rejected as error:
        return scorebox_door.REFUSED, {}, error.message.encode("utf-8", "replace")
    except Unavailable as error:
        return scorebox_door.ANSWERED, *scorebox_response.answer_of(_unavailable(error))
    except BaseException as error:
        # SystemExit and KeyboardInterrupt, too: they end the call, and the instance goes on.
        if scorebox_schema.refused_by_type(error):
            return scorebox_door.REFUSED, {}, _message(error)
        return scorebox_door.RAISED, {}, _text(error)


def _message(error):
    return str(error).encode("utf-8", "replace")


def _unavailable(error):
    scorebox_door.log(b"w", str(error))
    message = {"code": error.code, "message": error.message}
    return AMLResponse(message, 503, {"Retry-After": "1"}, json_str=True)


def _text(error):
    try:
        scorebox_hints.add_to(error)
    except Exception:
        # The text of an exception, or its class, can be the script's own.
        pass
    return scorebox_logs.traceback_of(error).encode("utf-8", "replace")


def _model_files():
    names = scorebox_guest_model.files()
    return ", ".join(names[:_SHOWN_FILES] + ["…"] * (len(names) > _SHOWN_FILES)) or "nothing"


def _extend_path(folder):
    # The folder of the app is first, as on the retired server. Packages come before the library.
    for one in (PACKAGES, folder, CODE):
        if one in sys.path:
            sys.path.remove(one)
        sys.path.insert(0, one)
    try:
        os.chdir(CODE)
    except OSError:
        # A relative path is then one from the root.
        pass


def _open_files():
    return {number for number in _DESCRIPTORS if _is_open(number)}


def _is_open(number):
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _names(descriptors):
    files = (one for one in gc.get_objects() if isinstance(one, io.FileIO) and not one.closed)
    names = {one.fileno(): str(one.name) for one in files}
    return [names.get(number, f"descriptor {number}") for number in sorted(descriptors)]


scorebox_json.install()
scorebox_azureml.install()
scorebox_schema.install()
scorebox_redis.install()
