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
    from sklearn.exceptions import InconsistentVersionWarning

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
    foreign = [one.message for one in caught if isinstance(one.message, InconsistentVersionWarning)]
    if foreign and not (problem is None and _same_series(foreign)):
        _judge_versions(foreign, problem, other_version, warnings)
    elif foreign:
        warnings.append(_told(foreign))
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


def _same_series(foreign):
    series = lambda version: version.split(".")[:2]
    return all(series(one.original_sklearn_version) == series(one.current_sklearn_version) for one in foreign)


def _told(foreign):
    names = ", ".join(dict.fromkeys(one.estimator_name for one in foreign))
    one = foreign[0]
    return f"pickled by scikit-learn {one.original_sklearn_version}, loaded by {one.current_sklearn_version} ({names})"


def _judge_versions(foreign, problem, other_version, warnings):
    """Another series of versions may read a pickle wrongly and say nothing, which no comparison finds."""
    version = foreign[0].original_sklearn_version
    told = _told(foreign)
    if other_version and problem is None:
        warnings.append(f"{told}: the answers compared are those of the version that loaded it")
        return
    why = "" if problem is None else f"; {problem.problem}"
    others = [f"{name}=={versions.of(name)}" for name in ("skl2onnx", "onnx", "onnxruntime") if versions.of(name)]
    pip = f"python3 -m venv ENV && ENV/bin/pip install scikit-learn=={version} {' '.join(others)} pandas"
    fix = f"make an environment of that version, `{pip}`, and name it by --python ENV/bin/python"
    accept = "" if problem is not None else ", or accept what this version makes of it with --other-version"
    raise Refused(told + why, fix + accept)
