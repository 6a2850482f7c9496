"""What a script can do in the place of something that the sandbox does not have.

Owns the notes on exceptions. Must not know how an exception is reported.
"""

import os
from types import ModuleType

_NETWORK = (
    "The sandbox has no network. Use `redis` for the store of scorebox.toml, send the data in the request, or put it "
    "into the model folder."
)
_PROCESSES = "The sandbox has one process. Call Python functions in place of other programs."
_THREADS = (
    "The sandbox has one thread. Call the function directly, set n_jobs=1, or raise the number of instances in "
    "scorebox.toml for more calls at a time."
)
_EVENTS = "The sandbox has no event loop. Write functions without `async`."
_LIBRARIES = "The sandbox has no C libraries. Use numpy, or convert the model and run its graph with scorebox_guest.graphs."
_FILES = "Files are read-only in the sandbox. Keep data in memory (io.BytesIO), in the store of scorebox.toml, or in the answer."
_BOOSTING = "Convert the model with `scorebox convert`, and set accelerate = true under [scorer]."
_NEURAL = "Convert the model to ONNX, and run its graph with scorebox_guest.graphs."
_AZURE = (
    "Of azureml, a script has Model.get_model_path, AMLRequest, AMLResponse and rawhttp. Settings are in [config] of "
    "scorebox.toml."
)

_OF_MODULES = {
    **dict.fromkeys(("socket", "ssl", "_ssl", "http", "urllib", "urllib3", "requests", "httpx", "aiohttp"), _NETWORK),
    **dict.fromkeys(("smtplib", "ftplib", "azure", "boto3", "botocore"), _NETWORK),
    **dict.fromkeys(("subprocess", "multiprocessing", "_posixsubprocess", "_multiprocessing"), _PROCESSES),
    **dict.fromkeys(("threading", "_thread"), _THREADS),
    "asyncio": _EVENTS,
    **dict.fromkeys(("ctypes", "_ctypes", "cffi", "mmap"), _LIBRARIES),
    "tempfile": _FILES,
    **dict.fromkeys(("xgboost", "lightgbm"), _BOOSTING),
    **dict.fromkeys(("torch", "tensorflow", "keras", "onnxruntime", "transformers"), _NEURAL),
    "azureml": _AZURE,
}

_CHAIN = 8
"""Exceptions of a chain that are looked at."""


def add_to(error):
    """Adds a note to an exception that comes from something that the sandbox does not have."""
    one = error
    for _ in range(_CHAIN):
        if one is None:
            return
        note = _note(one)
        if note:
            error.add_note(note)
            return
        one = one.__cause__ or one.__context__


def _note(error):
    if isinstance(error, ImportError):
        return _OF_MODULES.get((error.name or "").partition(".")[0])
    if isinstance(error, AttributeError) and error.obj is os:
        return _PROCESSES
    if isinstance(error, RuntimeError) and "new thread" in str(error):
        return _THREADS
    if isinstance(error, PermissionError):
        return _FILES
    # Modules of the sandbox lack some of their functions.
    if not isinstance(error, OSError) and not isinstance(getattr(error, "obj", None), ModuleType):
        return None
    # The innermost module that has a note caused the exception.
    found, frame = None, error.__traceback__
    while frame is not None:
        module = str(frame.tb_frame.f_globals.get("__name__")).partition(".")[0]
        found, frame = _OF_MODULES.get(module, found), frame.tb_next
    return found
