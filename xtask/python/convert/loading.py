"""From a file to an object: the step that runs foreign code.

Owns the loading, and what each way of failing means to whoever has the file. Must not know estimators.
"""

import pickle
import re
import sys
import warnings as python_warnings

from refusal import Refused, brief
import versions

_TRUST = "see that the file is whole, and that joblib or pickle wrote it; torch.save, Keras and R have other forms"
_CUSTOM = (
    "a class of your own has no converter: leave that step out of the pipeline and do it before the call, or write a "
    "scorer; for a library that is only missing here, name a Python that has it by --python"
)


def load(path, other_version, warnings):
    """Loads the file; adds to the warnings what is to be known about it."""
    import joblib

    with python_warnings.catch_warnings(record=True) as caught:
        python_warnings.simplefilter("always")
        problem = None
        try:
            model = joblib.load(path)
        except MemoryError:
            raise
        except ModuleNotFoundError as error:
            problem = Refused(f"needs the Python module `{error.name}`, which is not in this environment", _CUSTOM)
        except AttributeError as error:
            problem = _missing(error)
        except (pickle.UnpicklingError, EOFError, KeyError, IndexError, ValueError, OSError, UnicodeError) as error:
            problem = Refused(f"cannot be read as a pickle: {brief(error)}", _TRUST)
        # Loading runs foreign code, which may raise anything, and may ask the interpreter to end.
        except BaseException as error:  # noqa: BLE001
            problem = Refused(f"raised an exception while it was loaded: {brief(error)}", _TRUST)
    others = _other_versions(path, caught, problem)
    if others is not None:
        _judge_versions(others, problem, other_version, warnings)
    if problem is not None:
        raise problem
    if "xgboost" in sys.modules:
        warnings.extend(brief(one.message) for one in caught if "xgboost" in str(one.filename))
    return model


def _missing(error):
    """A class that the pickle names and that its module does not have."""
    found = re.match(r"Can't get attribute '([^']+)' on <module '([^']+)'", str(error))
    if found is None:
        return Refused(f"raised an exception while it was loaded: {brief(error)}", _TRUST)
    name, module = found.groups()
    where = "the script that wrote it" if module == "__main__" else f"the module `{module}`"
    return Refused(f"needs `{name}` of {where}, which is not there", _CUSTOM, name)


def _other_versions(path, caught, problem):
    """The version that wrote the file, that which loads it, and the classes concerned; None if they are the same."""
    # By name: a file that is no model should not cost the import of scikit-learn.
    told = [one.message for one in caught if one.category.__name__ == "InconsistentVersionWarning"]
    if told:
        names = ", ".join(dict.fromkeys(one.estimator_name for one in told))
        return told[0].original_sklearn_version, told[0].current_sklearn_version, f" ({names})"
    if problem is None:
        return None
    # What was renamed since then ends the loading before anything is warned of; the version stands in the file.
    with open(path, "rb") as file:
        found = re.search(rb"_sklearn_version[^0-9]{1,8}([0-9]+\.[0-9]+\.[0-9]+)", file.read())
    written, current = found and found.group(1).decode(), versions.of("scikit-learn")
    return (written, current, "") if written and written != current else None


def _judge_versions(others, problem, other_version, warnings):
    """Another series of versions may read a pickle wrongly and say nothing, which no comparison finds."""
    version, current, names = others
    told = f"pickled by scikit-learn {version}, loaded by {current}{names}"
    if problem is None and version.split(".")[:2] == current.split(".")[:2]:
        warnings.append(told)
        return
    if problem is None and other_version:
        warnings.append(f"{told}: the answers compared are those of the version that loaded it")
        return
    why = "" if problem is None else f"; {problem.problem}"
    beside = ("skl2onnx", "onnx", "onnxruntime", "protobuf")
    packages = " ".join(f"{name}=={versions.of(name)}" for name in beside if versions.of(name))
    pip = f"python3 -m venv ENV && ENV/bin/pip install scikit-learn=={version} {packages} pandas"
    fix = f"make an environment of that version, `{pip}`, and name it by --python ENV/bin/python"
    accept = "" if problem is not None else ", or accept what this version makes of it with --other-version"
    raise Refused(told + why, fix + accept)
