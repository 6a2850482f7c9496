"""Estimators whose graph the host runs, in the place of those that a script loads.

Owns the object that `joblib.load` and `pickle.load` return for a converted file of the model, and its methods. Must not
know how a graph is run.

Next to `trees.pkl` lie `trees.pkl.onnx`, which is the graph, and `trees.pkl.report.json`, which is the report of
`scorebox convert`. The report says which output of the graph is which method of the estimator. Everything else of the
estimator comes from the pickle, which is read when it is first needed.
"""

import json
import operator
import os

import scorebox_guest_graphs
import scorebox_hooks

_MODEL = "/model"
_DTYPES = {"f32": "float32", "f64": "float64", "i32": "int32", "i64": "int64", "bool": "bool"}

_reports = {}
"""Reports of the converted files, by their paths."""


def install(files, model=_MODEL):
    """Makes loads of the converted `files` of the model return accelerated estimators."""
    for file in files:
        path = os.path.realpath(os.path.join(model, file))
        with open(path + ".report.json", encoding="utf-8") as report:
            _reports[path] = (file, json.load(report))
    import pickle

    pickle.load = _load_of(pickle.load)
    for name in ("joblib", "cloudpickle"):
        scorebox_hooks.after_import(name, _change)


def _change(module):
    module.load = _load_of(module.load)


def _load_of(load):
    def scorebox_load(file, *arguments, **settings):
        name = file if isinstance(file, (str, os.PathLike)) else getattr(file, "name", None)
        path = os.path.realpath(name) if isinstance(name, (str, os.PathLike)) else None
        is_path = isinstance(file, (str, os.PathLike))
        # Only the first object of a file is converted.
        if path not in _reports or not (is_path or file.tell() == 0):
            return load(file, *arguments, **settings)
        graph, report = _reports[path]
        if not is_path:
            file.seek(0, os.SEEK_END)
            # The file may be closed before the pickle is needed.
            return AcceleratedEstimator(graph, report, lambda: _load_again(load, path, arguments, settings))
        return AcceleratedEstimator(graph, report, lambda: load(file, *arguments, **settings))

    scorebox_load.__wrapped__ = load
    return scorebox_load


def _load_again(load, path, arguments, settings):
    with open(path, "rb") as file:
        return load(file, *arguments, **settings)


class AcceleratedEstimator:
    """Estimator of which some methods run as a graph in the host."""

    def __init__(self, graph, report, load):
        state = vars(self)
        state["_graph"], state["_report"], state["_load"], state["_estimator"] = graph, report, load, None
        for output in report["comparison"]["outputs"]:
            if output.get("method"):
                state[output["method"]] = self._method(output["method"], output["output"])
        if report.get("classes") is not None:
            import numpy as np

            state["classes_"] = np.asarray(report["classes"])

    def _method(self, method, output):
        def run(X, *arguments, **settings):
            inputs = None if arguments or settings else self._inputs(X)
            if inputs is None or not _is_plain(inputs) and self._has_library():
                return getattr(self._original(f"`{method}` of these rows"), method)(X, *arguments, **settings)
            outputs = scorebox_guest_graphs.run(self._graph, inputs)
            answer = scorebox_guest_graphs.output(outputs, output)
            # The answer of an estimator can be written, and what the host sends cannot.
            return answer.copy()

        run.__name__ = method
        return run

    def _inputs(self, X):
        """Returns the inputs of the graph, or None if the rows do not have their form."""
        import numpy as np

        wanted = self._report["inputs"]
        if any(one["dtype"] not in _DTYPES for one in self._report["outputs"] + wanted):
            return None
        if len(wanted) == 1:
            if hasattr(X, "columns") and not self._has_columns(X):
                return None
            shape, rows = wanted[0]["shape"], np.asarray(X)
            if rows.ndim != len(shape) or rows.dtype.kind not in "biuf":
                return None
            if any(size not in (None, found) for size, found in zip(shape, rows.shape)):
                return None
            return {wanted[0]["name"]: _converted(rows, wanted[0]["dtype"])}
        if not hasattr(X, "columns") or any(one["name"] not in X.columns for one in wanted):
            return None
        columns = {one["name"]: np.asarray(X[one["name"]]).reshape(-1, 1) for one in wanted}
        if any(column.dtype.kind not in "biuf" for column in columns.values()):
            return None
        return {one["name"]: _converted(columns[one["name"]], one["dtype"]) for one in wanted}

    def _has_columns(self, X):
        """Returns true if the estimator was fitted with these columns, or without names."""
        known = getattr(self._original("the order of a frame's columns (pass its `to_numpy()`)"), "feature_names_in_", None)
        return known is None or list(known) == list(X.columns)

    def _has_library(self):
        try:
            return self._original("") is not None
        except AttributeError:
            return False

    def _original(self, what):
        if self._estimator is None:
            try:
                vars(self)["_estimator"] = self._load()
            except ImportError as error:
                has = ", ".join(sorted(part for part in vars(self) if not part.startswith("_")))
                raise AttributeError(
                    f"{what} of the model {self._graph} is not part of its graph, and the library of the "
                    f"estimator is not in the sandbox ({error}); use only {has}"
                ) from error
        return self._estimator

    def __getattr__(self, name):
        if name.startswith("__") and not name.startswith("__sklearn_"):
            raise AttributeError(name)
        return getattr(self._original(f"`{name}`"), name)

    def __setattr__(self, name, value):
        setattr(self._original(f"`{name}`"), name, value)

    def __getitem__(self, key):
        return self._original("the step of a pipeline")[key]

    def __reduce_ex__(self, protocol):
        # A copy is the estimator itself, and needs no module of this world.
        return operator.getitem, ((self._original("a copy"),), 0)

    def __repr__(self):
        return f"AcceleratedEstimator({self._graph!r})"


def _is_plain(inputs):
    """Returns true if there are rows, and all of their numbers are finite in the type of the graph.

    Estimators refuse other rows, or answer them in their own way.
    """
    import numpy as np

    return all(len(one) and np.isfinite(one).all() for one in inputs.values())


def _converted(values, dtype):
    """Returns the values in the type of the graph. A number that the type cannot hold is an error."""
    import numpy as np

    with np.errstate(over="ignore"):
        converted = values.astype(_DTYPES[dtype])
    if converted.dtype.kind in "iu" and not np.array_equal(converted, values):
        raise ValueError(f"the graph of the model takes numbers of the type {dtype}, and the rows have others")
    return converted
