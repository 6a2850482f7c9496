"""From a file to an object: the step that runs foreign code.

Owns the loading of every form of file, and what each way of failing means to whoever has the file. Must not know
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
    """Loads the file; adds to the warnings what is to be known about it."""
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
    # As for a pickle: convert only files that you would run.
    return skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))


def _tried(read, path):
    """The object, or the reason why there is none."""
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
    # Loading runs foreign code, which may raise anything, and may ask the interpreter to end.
    except BaseException as error:  # noqa: BLE001
        return None, Refused(f"raised an exception while it was loaded: {brief(error)}", _TRUST)


def _damaged(path, error):
    if forms.is_cut(path):
        return Refused(f"was cut: it is a pickle without its end ({brief(error)})", forms.CUT)
    first = forms.begins(path)
    return Refused(f"cannot be read as a pickle: {brief(error)}; the file begins with {first}", _TRUST)


def _module(error):
    """A library that the pickle names and that is not here."""
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
    """A class that the pickle names and that its module does not have."""
    found = re.match(r"(?:Can't|Cannot) get attribute '([^']+)' (?:on|from) <module '([^']+)'", str(error))
    if found is None:
        return Refused(f"raised an exception while it was loaded: {brief(error)}", _TRUST)
    name, module = found.groups()
    where = "the script that wrote it" if module == "__main__" else f"the module `{module}`"
    return Refused(f"needs `{name}` of {where}, which is not there", _CUSTOM, name)


def _named(path, warnings):
    """The file's bytes; says if another version of XGBoost wrote what is in them."""
    data = forms.read(path)
    version, current = boosters.xgboost_version(data), versions.of("xgboost-cpu") or versions.of("xgboost")
    if version is not None and current is not None and version != current:
        warnings.append(f"written by XGBoost {version}, loaded by {current}")
    return data


def _completed(model):
    """Gives parts that an older XGBoost pickled the parameters that it did not have, with their defaults."""
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
    """The version that wrote the file, that which loads it, and the classes concerned; None if they are the same."""
    # By name: a file that is no model should not cost the import of scikit-learn.
    told = [one.message for one in caught if one.category.__name__ == "InconsistentVersionWarning"]
    if told:
        names = ", ".join(dict.fromkeys(one.estimator_name for one in told))
        return told[0].original_sklearn_version, told[0].current_sklearn_version, f" ({names})"
    if problem is None:
        return None
    # What was renamed since then ends the loading before anything is warned of; the version stands in the file.
    written, current = imports.sklearn_version(path), versions.of("scikit-learn")
    return (written, current, "") if written and written != current else None


def _judge_versions(path, others, problem, other_version, warnings):
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
    accept = "" if problem is not None else ", or accept what this version makes of it with --other-version"
    raise Refused(told + why, _environment(path, version) + accept)


def _environment(path, version):
    """How to make an environment with everything that the file names."""
    wanted, strange = {"scikit-learn": version}, []
    for module in imports.of(path):
        name = imports.distribution(module)
        if name is None:
            strange.append(module)
        # Their versions are not in the file. scikit-learn needs these anyway, in versions of its own choice.
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
