"""Trains random pipelines for the conversion's property test, and writes what each library says of rows with gaps.

Owns the pipelines, each made from its seed alone, and the `repairs` that each one needs: what skl2onnx's own converters
lose of it. A case is called `pNNN` by its seed; every second one has a sample. Must not know how anything is converted.

    python3 pipelines.py FOLDER FIRST COUNT
"""

import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn import ensemble, linear_model, naive_bayes, preprocessing, tree
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import make_pipeline, make_union
from xgboost import XGBClassifier, XGBRegressor

sys.path.insert(0, str(Path(__file__).parent))
import cases  # noqa: E402

FOLDER = Path(sys.argv[1])
FITTED, ASKED = 240, 50
WORDS = {
    "city": ["Bern", "Genève", "Zürich", "Chur", "Basel"],
    "plan": ["free", "paid", "trial"],
    "code": ["01067", "8001", "3011", "NAN-1", "x y"],
}
NOTES = "the parcel arrived late|Größe passt nicht|very good service|never again|Über alles zufrieden|late late late"


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    first, count = int(sys.argv[2]), int(sys.argv[3])
    for seed in range(first, first + count):
        Case(seed).write()


class Case:
    """One pipeline, its data and its repairs."""

    def __init__(self, seed):
        self.seed = seed
        self.random = np.random.default_rng(seed)
        self.repairs = set()
        self.classifies = self.chance(0.6)
        # By turns, so that few seeds have every form.
        make = [self.matrix_with_gaps, self.columns, self.imputed_matrix, self.columns, self.notes][seed % 5]
        self.frame, self.model = make()

    def chance(self, share):
        return bool(self.random.random() < share)

    def one(self, values):
        return values[int(self.random.integers(len(values)))]

    # The forms.

    def matrix_with_gaps(self):
        """Trees that learn where NaN goes."""
        frame = self.numbers(int(self.random.integers(2, 6)), gaps=True)
        return frame if self.chance(0.5) else frame.to_numpy(), self.tree_with_gaps()

    def imputed_matrix(self):
        """Numbers through an imputer, with or without indicators and a scaler."""
        frame = self.numbers(int(self.random.integers(2, 6)), gaps=True)
        imputer = self.number_imputer()
        if isinstance(imputer, SimpleImputer) and imputer.missing_values == 0:
            frame = frame.fillna(0.0)
        steps = [imputer] + ([preprocessing.StandardScaler()] if self.chance(0.5) else [])
        return frame if self.chance(0.5) else frame.to_numpy(), make_pipeline(*steps, self.last(dense=True))

    def columns(self):
        """Numbers, texts and truth values, by name."""
        frame = self.numbers(int(self.random.integers(1, 4)), gaps=True)
        numbers = list(frame.columns)
        parts, with_gaps = [], self.chance(0.4)
        if with_gaps:
            parts.append(("numbers", "passthrough", numbers))
        else:
            imputer = self.number_imputer()
            if isinstance(imputer, SimpleImputer) and imputer.missing_values == 0:
                frame = frame.fillna(0.0)
            scaled = [preprocessing.StandardScaler()] if self.chance(0.5) else []
            parts.append(("numbers", make_pipeline(imputer, *scaled), numbers))
        dense = with_gaps or self.chance(0.5)
        texts = [str(name) for name in self.random.permutation(list(WORDS))[: int(self.random.integers(1, 4))]]
        # None and NaN are what data frames hold where a text is missing.
        gap = None if self.chance(0.3) else np.nan
        for name in texts:
            values = self.random.choice(WORDS[name], FITTED + ASKED).astype(object)
            values[self.random.random(len(values)) < 0.15] = gap
            frame[name] = pd.Series(values, dtype=object)
            parts.append((name, self.text_part(gap, dense), [name]))
        if self.chance(0.3):
            frame["open"] = self.random.random(len(frame)) < 0.5
            parts.append(("open", preprocessing.OneHotEncoder(sparse_output=not dense), ["open"]))
        if self.chance(0.3):
            months = self.random.integers(1, 6, len(frame)).astype(float)
            months[self.random.random(len(frame)) < 0.1] = np.nan
            frame["month"] = months
            parts.append(("month", self.encoder(dense), ["month"]))
        last = self.tree_with_gaps() if with_gaps else self.last(dense)
        return frame[[str(name) for name in self.random.permutation(list(frame.columns))]], make_pipeline(ColumnTransformer(parts), last)

    def notes(self):
        """Words of a text next to numbers."""
        frame = self.numbers(2, gaps=True)
        notes = NOTES.split("|")
        frame["note"] = [" ".join(self.random.choice(notes, 2)) for _ in range(len(frame))]
        words = self.one([TfidfVectorizer, CountVectorizer])()
        numbers = make_pipeline(self.number_imputer(zero=False), preprocessing.StandardScaler())
        parts = [("note", words, "note"), ("numbers", numbers, ["n0", "n1"])]
        return frame, make_pipeline(ColumnTransformer(parts), self.last(dense=False))

    # The parts.

    def numbers(self, count, gaps):
        values = {}
        for index in range(count):
            drawn = [
                self.random.normal(0, 1, FITTED + ASKED).round(2),
                self.random.integers(0, 30, FITTED + ASKED).astype(float),
                self.random.lognormal(0, 1, FITTED + ASKED).round(3),
            ][int(self.random.integers(3))]
            if gaps:
                drawn[self.random.random(len(drawn)) < 0.15] = np.nan
            values[f"n{index}"] = drawn
        return pd.DataFrame(values)

    def number_imputer(self, zero=True):
        kind = int(self.random.integers(5 if zero else 4))
        if kind == 0:
            self.repairs.add("missing-indicator")
            return make_union(SimpleImputer(), MissingIndicator(error_on_new=False))
        indicator = self.chance(0.5)
        if indicator:
            self.repairs.add("number-indicator")
        if kind == 4:
            self.repairs.add("number-as-missing")
            return SimpleImputer(missing_values=0, add_indicator=indicator)
        strategy = ["mean", "median", "most_frequent"][kind - 1]
        return SimpleImputer(strategy=strategy, add_indicator=indicator)

    def text_part(self, gap, dense):
        kind = int(self.random.integers(4))
        if kind == 0:
            indicator = self.chance(0.3)
            self.repairs.add("text-indicator" if indicator else "text-imputer")
            imputer = SimpleImputer(
                missing_values=gap,
                strategy=self.one(["most_frequent", "constant"]),
                fill_value="none",
                add_indicator=indicator,
            )
            return make_pipeline(imputer, preprocessing.OneHotEncoder(handle_unknown="ignore", sparse_output=not dense))
        return self.encoder(dense)

    def encoder(self, dense):
        kind = int(self.random.integers(3))
        if kind == 0:
            self.repairs.add("ordinal-missing")
            missing = self.one([-5, 77])
            return preprocessing.OrdinalEncoder(
                handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=missing
            )
        self.repairs.add("one-hot-missing")
        options = {"handle_unknown": "ignore"} if kind == 1 else {"drop": "first"}
        return preprocessing.OneHotEncoder(sparse_output=not dense, **options)

    def tree_with_gaps(self):
        few = {"random_state": self.seed}
        classifiers = [
            lambda: ensemble.RandomForestClassifier(int(self.random.integers(3, 21)), **few),
            lambda: ensemble.ExtraTreesClassifier(int(self.random.integers(3, 21)), **few),
            lambda: tree.DecisionTreeClassifier(max_depth=6, **few),
            lambda: ensemble.HistGradientBoostingClassifier(max_iter=10, min_samples_leaf=5, **few),
            lambda: XGBClassifier(n_estimators=8, max_depth=3, n_jobs=1),
            lambda: LGBMClassifier(n_estimators=8, num_leaves=6, n_jobs=1, verbose=-1),
        ]
        regressors = [
            lambda: ensemble.RandomForestRegressor(int(self.random.integers(3, 21)), **few),
            lambda: ensemble.ExtraTreesRegressor(int(self.random.integers(3, 21)), **few),
            lambda: tree.DecisionTreeRegressor(max_depth=6, **few),
            lambda: ensemble.HistGradientBoostingRegressor(max_iter=10, min_samples_leaf=5, **few),
            lambda: XGBRegressor(n_estimators=8, max_depth=3, n_jobs=1),
            lambda: LGBMRegressor(n_estimators=8, num_leaves=6, n_jobs=1, verbose=-1),
        ]
        kind = int(self.random.integers(6))
        if kind < 3:
            self.repairs.add("directions")
        return (classifiers if self.classifies else regressors)[kind]()

    def last(self, dense):
        """An estimator that sees no missing values."""
        kind = int(self.random.integers(4))
        if kind == 0 and self.chance(0.15):
            # Refused, by name.
            return make_pipeline(preprocessing.FunctionTransformer(np.abs), self.line())
        if kind == 0:
            return self.line()
        if kind == 1 and dense:
            return naive_bayes.GaussianNB() if self.classifies else ensemble.GradientBoostingRegressor(n_estimators=10)
        if kind == 2 and not dense:
            return self.one([XGBClassifier if self.classifies else XGBRegressor])(n_estimators=8, max_depth=3, n_jobs=1)
        if dense:
            return self.tree_with_gaps()
        forest = ensemble.RandomForestClassifier if self.classifies else ensemble.RandomForestRegressor
        return forest(int(self.random.integers(3, 21)), random_state=self.seed)

    def line(self):
        return linear_model.LogisticRegression(max_iter=1000) if self.classifies else linear_model.Ridge()

    # What is written.

    def target(self):
        """Something that follows from the columns, and from their gaps."""
        frame = pd.DataFrame(self.frame)
        total = self.random.normal(0, 0.3, len(frame))
        for index, name in enumerate(frame.columns):
            is_number = pd.api.types.is_numeric_dtype(frame[name])
            codes = frame[name] if is_number else pd.factorize(frame[name], use_na_sentinel=False)[0]
            column = np.asarray(codes, dtype=np.float64)
            gaps = np.isnan(column)
            column = np.where(gaps, 0.7, (column - np.nanmean(column)) / (np.nanstd(column) or 1.0))
            total += column * (1.0 - 0.5 * (index % 3))
        if not self.classifies:
            return total
        labels = np.digitize(total, np.quantile(total, [0.5] if self.chance(0.5) else [0.3, 0.7]))
        named = not type(last_of(self.model)).__name__.startswith("XGB") and self.chance(0.4)
        return np.array(["low", "middle", "high"])[labels] if named else labels

    def write(self):
        labels = self.target()
        is_frame = isinstance(self.frame, pd.DataFrame)
        rows = (lambda some: self.frame.iloc[some]) if is_frame else (lambda some: self.frame[some])
        self.model.fit(rows(slice(FITTED)), labels[:FITTED])
        asked = rows(slice(FITTED, None)).copy()
        cases.write(FOLDER, f"p{self.seed:03}", self.model, asked, self.seed % 2, repairs=sorted(self.repairs))


def last_of(model):
    while hasattr(model, "steps"):
        model = model.steps[-1][1]
    return model


warnings.simplefilter("ignore")
main()
