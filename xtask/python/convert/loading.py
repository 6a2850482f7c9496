"""Loading of a model from a file: the step that runs foreign code.

Owns the loading of every file format, and the message for each kind of failure. Must not know
estimators.
"""

import pickle
import re
import sys
import warnings as python_warnings

from refusal import Refused, brief
import boosters
import elsewhere
import forms
import imports
import versions

_TRUST = "check that the file is complete and is one that you trust, and that pickle, joblib or skops wrote it"
_CUSTOM = (
    "a class of your own has no converter: leave that step out of the pipeline and do it before the call, or write a "
    "scorer; for a library that is only missing here, name a Python that has it by --python"
)


def load(path, other_version, warnings):
    """Loads the model in a file, and adds facts that the user should know to `warnings`."""
    form = forms.of(path)
    if form == forms.XGBOOST:
        return boosters.load_xgboost(_named(path, warnings), warnings)
    if form == forms.LIGHTGBM:
        return boosters.load_lightgbm(forms.read(path), warnings)
    with python_warnings.catch_warnings(record=True) as caught:
        python_warnings.simplefilter("always")
        model, problem = _tried(_skops if form == forms.SKOPS else _pickle, path)
    others = _other_versions(path, caught, problem)
    if others is not None:
        _judge_versions(path, others, problem, other_version, warnings)
    if problem is not None:
        raise problem
    if "xgboost" in sys.modules:
        _named(path, warnings)
        warnings.extend(brief(one.message) for one in caught if "xgboost" in str(one.filename))
    if boosters.is_booster(model):
        return boosters.wrapped(model, warnings)
    return _completed(model)


def _pickle(path):
    import joblib

    return joblib.load(path)


def _skops(path):
    try:
        import skops.io
    except ImportError:
        raise Refused(
            "is a skops file, and this environment has no skops",
            "install skops into it; the environment that `convert` makes itself has it",
        ) from None
    # All types are trusted, as for a pickle: users must convert only files that they would run.
    return skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))


def _tried(read, path):
    """Returns the object and None, or None and the reason why the file cannot be loaded."""
    try:
        return read(path), None
    except (MemoryError, Refused):
        raise
    except ModuleNotFoundError as error:
        return None, _module(error)
    except AttributeError as error:
        return None, _missing(error)
    except (pickle.UnpicklingError, EOFError, KeyError, IndexError, ValueError, OSError, UnicodeError) as error:
        return None, _damaged(path, error)
    # Loading runs foreign code, which may raise any exception, and may ask the interpreter to exit.
    except BaseException as error:  # noqa: BLE001
        return None, Refused(f"raised an exception while it was loaded: {brief(error)}", _TRUST)


def _damaged(path, error):
    if forms.is_cut(path):
        return Refused(f"was cut: it is a pickle without its end ({brief(error)})", forms.CUT)
    first = forms.begins(path)
    return Refused(f"cannot be read as a pickle: {brief(error)}; the file begins with {first}", _TRUST)


def _module(error):
    """Returns the refusal for a module that the pickle needs and that is not installed."""
    name = str(error.name)
    problem = f"needs the Python module `{name}`, which is not in this environment"
    top = name.split(".")[0]
    if elsewhere.instruction(top):
        return Refused(problem, elsewhere.instruction(top))
    distribution = imports.distribution(top)
    if distribution is None:
        return Refused(problem, _CUSTOM)
    own = [distribution] + (["onnxmltools"] if top in ("xgboost", "lightgbm") else [])
    return Refused(problem, f"name a Python that has it by --python; `pip install {' '.join(own)}` brings it there")


def _missing(error):
    """Returns the refusal for a class that the pickle needs and that its module does not have."""
    found = re.match(r"(?:Can't|Cannot) get attribute '([^']+)' (?:on|from) <module '([^']+)'", str(error))
    if found is None:
        return Refused(f"raised an exception while it was loaded: {brief(error)}", _TRUST)
    name, module = found.groups()
    where = "the script that wrote it" if module == "__main__" else f"the module `{module}`"
    return Refused(f"needs `{name}` of {where}, which is not there", _CUSTOM, name)


def _named(path, warnings):
    """Returns the bytes of a file, and warns if they contain a model that another version of
    XGBoost wrote.
    """
    data = forms.read(path)
    version, current = boosters.xgboost_version(data), versions.of("xgboost-cpu") or versions.of("xgboost")
    if version is not None and current is not None and version != current:
        warnings.append(f"written by XGBoost {version}, loaded by {current}")
    return data


def _completed(model):
    """Adds parameters with their default values to XGBoost models that an older XGBoost pickled
    without them. Returns the model.
    """
    if "xgboost" not in sys.modules:
        return model
    import estimators

    for part in estimators.walk(model):
        if type(part).__module__.split(".")[0] == "xgboost":
            for name, value in vars(type(part)()).items():
                if name not in vars(part):
                    setattr(part, name, value)
    return model


def _other_versions(path, caught, problem):
    """Returns the version of scikit-learn that wrote the file, the version that loads it, and the
    affected classes as text. Returns None if the versions are equal.
    """
    # The category is compared by name, because a file without a model should not need the import of
    # scikit-learn.
    told = [one.message for one in caught if one.category.__name__ == "InconsistentVersionWarning"]
    if told:
        names = ", ".join(dict.fromkeys(one.estimator_name for one in told))
        return told[0].original_sklearn_version, told[0].current_sklearn_version, f" ({names})"
    if problem is None:
        return None
    # A class that was renamed ends the loading before a warning is given. In this case, the file
    # states the version.
    written, current = imports.sklearn_version(path), versions.of("scikit-learn")
    return (written, current, "") if written and written != current else None


def _judge_versions(path, others, problem, other_version, warnings):
    """Warns about a pickle of another version of scikit-learn, or refuses it. Another minor version
    may read a pickle wrongly without an error, and no comparison finds this.
    """
    version, current, names = others
    told = f"pickled by scikit-learn {version}, loaded by {current}{names}"
    if problem is None and version.split(".")[:2] == current.split(".")[:2]:
        warnings.append(told)
        return
    if problem is None and other_version:
        warnings.append(f"{told}: the answers compared are those of the version that loaded it")
        return
    why = "" if problem is None else f"; {problem.problem}"
    accept = "" if problem is not None else ", or accept what this version makes of it with --other-version"
    raise Refused(told + why, _environment(path, version) + accept)


def _environment(path, version):
    """Returns the instruction to create an environment with everything that the file names."""
    wanted, strange = {"scikit-learn": version}, []
    for module in imports.of(path):
        name = imports.distribution(module)
        if name is None:
            strange.append(module)
        # The file does not state these versions. scikit-learn requires the three libraries anyway,
        # and chooses their versions.
        elif name not in ("numpy", "scipy", "joblib"):
            wanted.setdefault("xgboost" if name == "xgboost-cpu" else name, versions.of(name))
    if "xgboost" in wanted:
        wanted["xgboost"] = imports.xgboost_version(path) or wanted["xgboost"]
    commands = versions.environment(wanted)
    if commands is None:
        return "fit the model again with scikit-learn 1.0 or newer"
    line = f"make an environment of that version, `{commands}`"
    if strange:
        line += f", put {', '.join(f'`{one}`' for one in strange)}, which the file also names, there too"
    return f"{line}, and name it by --python ENV/bin/python"
