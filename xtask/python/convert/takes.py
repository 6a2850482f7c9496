"""The values that the estimator accepts in each column: missing values, zeros, unknown categories
and empty texts.

Owns the trials. In each trial, the estimator scores one row. Must not know graphs.
"""

import warnings as python_warnings

import numpy as np

from nodes import is_missing
from refusal import Refused
import columns
import estimators
import generation
import inputs

# Maximum number of rows that are scored to find rows that the estimator accepts, and maximum number
# of accepted rows on which two values of a column are compared.
_TRIED, _SHOWN = 16, 8


def find(model, layout, hints, sample, warnings):
    """Writes the values that the estimator accepts into `hints`. Returns the layout, whose matrix
    may have been split into columns.
    """
    trial = Trial(model, layout, sample, hints)
    if trial.row is None:
        # The comparison refuses this model later, or states which rows it refuses.
        return layout
    kinds, groups = layout.kinds(), _groups(model, layout)
    numbers = [index for index, kind in enumerate(kinds) if kind in ("f32", "f64", "i64")]
    floats = [index for index in numbers if kinds[index] != "i64"]
    texts = [index for index, kind in enumerate(kinds) if kind == "text"]
    gap = lambda index: None if kinds[index] == "text" else np.nan
    strange = lambda index: hints[index].stranger(kinds[index])
    for index in trial.taken(floats + texts, gap, groups):
        hints[index].missing = True
    for index in trial.taken(numbers, lambda index: 0.0, groups):
        hints[index].zero = True
    encoded = [index for index in numbers + texts if layout.form != "documents" and strange(index) is not None]
    for index in trial.taken(encoded, strange, groups):
        hints[index].strange = True
    for index in trial.taken(texts, lambda index: "", groups):
        hints[index].empty = True
    for index in texts:
        _tell_apart(model, layout, trial, index, hints[index], warnings)
    return _apart(model, layout, hints, warnings)


def tell_refusing(model, warnings):
    """Warns about parts that refuse a category on which they were not fitted."""
    for part in estimators.walk(model):
        if type(part).__name__ in ("OneHotEncoder", "OrdinalEncoder") and part.handle_unknown == "error":
            warnings.append(
                f"{type(part).__name__} has handle_unknown='error': the graph refuses a call with a category that it was not "
                "fitted on, as the library does"
            )


class Trial:
    """A row that the estimator can score, and copies of this row with changed columns."""

    def __init__(self, model, layout, sample, hints):
        self.model, self.layout = model, layout
        self.method = estimators.methods(model)[-1][1]
        self.row, self.others = None, []
        rows = sample
        if rows is None:
            rows = generation.rows(layout, hints, _TRIED, np.random.default_rng(0))
        for index in range(min(inputs.count(rows), _TRIED)):
            row = inputs.chosen(rows, slice(index, index + 1))
            if len(self.others) < _SHOWN and self.answer(row) is not None:
                self.others.append(row)
        self.row = self.others[0] if self.others else None

    def answer(self, row):
        """Returns the library's numbers for a row, or None if the library refuses the row."""
        with python_warnings.catch_warnings():
            python_warnings.simplefilter("ignore")
            try:
                values = getattr(self.model, self.method)(self.layout.library(row))
            except MemoryError:
                raise
            except Exception:  # noqa: BLE001 - the model's own code, on a row that may not suit it.
                return None
        return np.asarray(values.toarray() if hasattr(values, "toarray") else values)

    def changed(self, values, row=None):
        """Returns a copy of a row with other values, by the indices of the columns."""
        row, place = {name: column.copy() for name, column in (row or self.row).items()}, 0
        for port in self.layout.ports:
            for index in range(port.width or 1):
                if place in values:
                    spot = 0 if port.width is None else (0, index)
                    row[port.name][spot] = values[place]
                place += 1
        return row

    def same(self, index, one, other):
        """Returns True if the estimator gives equal answers for two values of a column."""
        for row in self.others:
            first, second = (self.answer(self.changed({index: value}, row)) for value in (one, other))
            if first is None or second is None or first.shape != second.shape:
                continue
            if (first.astype(object) != second.astype(object)).any():
                return False
        return True

    def taken(self, wanted, value, groups):
        """Returns the columns of `wanted` in which the estimator accepts the value `value(column)`,
        alone and in all of these columns together.
        """
        ask = lambda some: self.answer(self.changed({index: value(index) for index in some})) is not None
        if not wanted or ask(wanted):
            return wanted
        found = []
        for group, alike in groups:
            todo = [[index for index in group if index in wanted]]
            while todo:
                some = todo.pop()
                if not some or ask(some):
                    found += some
                elif len(some) > 1 and not (alike and not ask(some[:1])):
                    todo += [some[: len(some) // 2], some[len(some) // 2 :]]
        return sorted(found)


def _groups(model, layout):
    """Returns groups of columns by the part that gets them first. Each group is a pair: the
    columns, and True if the part treats all of them in the same way.
    """
    found, seen = [], set()

    def see(part, where):
        some = [index for index in where if index is not None and index not in seen]
        seen.update(some)
        alike = getattr(part, "categories_", None) is None and type(part).__name__ != "MissingIndicator"
        found.append((some, alike))

    if layout.form != "documents":
        columns.visit(model, list(range(layout.width())), layout.columns(), see)
    return found + [([index for index in range(layout.width()) if index not in seen], False)]


def _tell_apart(model, layout, trial, index, hint, warnings):
    """Warns or refuses if the library tells a missing text from an empty text. A graph gets the
    empty text for both.
    """
    if not (hint.missing and hint.empty):
        return
    # A missing text is sent as the empty text, so generated rows do not have empty texts.
    hint.empty = False
    if trial.same(index, "", None):
        return
    name = layout.columns()[index]
    learned = _learned_empty(model)
    if learned is None:
        warnings.append(f"`{name}`: the empty text counts as missing in the graph, and the library tells them apart")
        return
    filled = _fills(model, layout, index)
    if filled is None:
        hint.missing, hint.empty = False, True
        warnings.append(
            f"`{name}`: takes no missing text, since a graph gets the empty text for one, and that is a category of its own"
        )
        return
    raise Refused(
        f"was fitted on empty texts besides missing ones in `{name}`, and a graph gets the empty text for both",
        "make the empty texts missing in the training data, or another text, and fit it again",
        estimators.class_of(filled),
    )


def _fills(model, layout, index):
    """Returns the part that replaces missing values of a column, or None if no part does."""
    found = []

    def see(part, where):
        if index in where and is_missing(getattr(part, "missing_values", 0)):
            found.append(part)

    columns.visit(model, list(range(layout.width())), layout.columns(), see)
    return found[0] if found else None


def _learned_empty(model):
    """Returns a part that has the empty text among its categories, or None if no part has it."""
    for part in estimators.walk(model):
        for kept in getattr(part, "categories_", None) or []:
            if any(isinstance(one, str) and one == "" for one in np.ravel(kept)):
                return part
    return None


def _apart(model, layout, hints, warnings):
    """Splits a matrix of which only some columns may have missing values. A matrix accepts them in
    all of its columns or in none.

    The matrix is split into one input for each column if the model selects columns and the caller
    did not state the inputs. Otherwise, the matrix accepts no missing values.
    """
    missing = [hint.missing for hint in hints]
    if layout.form != "matrix" or all(missing) or not any(missing):
        return layout
    picks = getattr(columns.first(model), "transformers_", None) is not None
    if picks and not layout.given:
        return layout.apart()
    names = layout.columns()
    some = [name for name, one in zip(names, missing) if one]
    shown = ", ".join(some[:8]) + (", ..." if len(some) > 8 else "")
    warnings.append(
        f"`{layout.ports[0].name}`: takes no missing values, since only some of its columns do ({shown})"
    )
    for hint in hints:
        hint.missing = False
    return layout


def described(layout, hints, ports):
    """Adds facts that callers need to the described ports."""
    start, found = 0, {}
    for port in layout.ports:
        width = port.width or 1
        some = slice(start, start + width)
        start += width
        names = list(layout.names[some]) if layout.form == "matrix" and layout.names else None
        found[port.name] = {
            "missing": all(hint.missing for hint in hints[some]),
            "boolean": any(layout.booleans[some]) and port.kind != "text",
            "columns": names,
        }
    return [port | found[port["name"]] for port in ports]


def with_empty_texts(layout, hints, rows):
    """Returns rows of a CSV file. In a column that accepts empty texts but no missing ones, missing
    texts become empty texts.
    """
    start = 0
    for port in layout.ports:
        for index in range(port.width or 1):
            hint = hints[start]
            start += 1
            if port.kind == "text" and hint.empty and not hint.missing:
                column = rows[port.name] if port.width is None else rows[port.name][:, index]
                column[np.array([is_missing(one) for one in column], dtype=bool)] = ""
    return rows
