"""Trains models of the kinds that users of other tools reported as converted wrongly or refused without need.

Owns the models, with fixed seeds. `NAME-fixed` is the model `NAME` after the instruction of its refusal. Must not know how anything is converted.

    python3 reported.py FOLDER
"""

import pickle
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from lightgbm import LGBMRegressor
from sklearn import ensemble, linear_model, preprocessing, tree
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.model_selection import TunedThresholdClassifierCV
from sklearn.pipeline import make_pipeline
from xgboost import XGBClassifier

sys.path.insert(0, str(Path(__file__).parent))
import cases  # noqa: E402

FOLDER = Path(sys.argv[1])
FITTED, ASKED = 300, 60
COUNT = FITTED + ASKED


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(1)
    forests(random)
    imputers(random)
    texts(random)
    matrices(random)
    words(random)
    refused(random)


def keep(name, model, frame, labels, sample=False):
    """Fits on the first rows, and asks for the others."""
    rows = lambda some: frame.iloc[some] if isinstance(frame, pd.DataFrame) else frame[some]
    model.fit(rows(slice(FITTED)), labels[:FITTED])
    cases.write(FOLDER, name, model, rows(slice(FITTED, None)).copy(), sample)


def gaps(random, values, share=0.25, gap=np.nan):
    values = values.copy()
    values[random.random(values.shape) < share] = gap
    return values


def forests(random):
    """Forests that learned where NaN goes, and forests whose trees vote for both labels equally often."""
    rows = random.normal(0, 1, (COUNT, 4)).round(2)
    labels = (rows[:, 0] + (rows[:, 1] > 0.5) + random.normal(0, 0.5, COUNT) > 0.3).astype(int)
    missing = gaps(random, rows)
    # The gaps tell something.
    missing[labels == 1, 2] = np.where(random.random((labels == 1).sum()) < 0.6, np.nan, missing[labels == 1, 2])
    for name, kind in {"forest": ensemble.RandomForestClassifier, "extra": ensemble.ExtraTreesClassifier}.items():
        keep(f"gaps-{name}", kind(12, random_state=0), missing, labels)
        frame = pd.DataFrame(missing[:, :3], columns=["age", "income", "debt"])
        frame["city"] = random.choice(["Bern", "Chur", "Thun"], COUNT)
        encode = ("city", preprocessing.OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["city"])
        parts = ColumnTransformer([encode], remainder="passthrough")
        keep(f"gaps-{name}-text", make_pipeline(parts, kind(12, random_state=0)), frame, labels, sample=True)
    keep("gaps-tree", tree.DecisionTreeRegressor(max_depth=6, random_state=0), missing, labels * 1.5)
    noise = random.normal(0, 1, (COUNT, 4)).round(2)
    coin = (noise[:, 0] + random.normal(0, 2, COUNT) > 0).astype(int)
    for count in (20, 40, 50, 60, 250, 500):
        keep(f"ties-{count}", ensemble.RandomForestClassifier(count, random_state=0), noise, coin)


def imputers(random):
    """Imputers with indicators, and with a number for what is missing."""
    rows = gaps(random, random.normal(0, 1, (COUNT, 3)).round(2))
    target = np.nan_to_num(rows, nan=1.5) @ [1.0, -0.5, 0.25]
    indicator = lambda: SimpleImputer(add_indicator=True)
    keep("indicator", make_pipeline(indicator(), linear_model.LinearRegression()), rows, target)
    keep("indicator-tree", make_pipeline(indicator(), tree.DecisionTreeRegressor(max_depth=5)), rows, target)
    zeros = SimpleImputer(missing_values=0, strategy="median", add_indicator=True)
    keep("zeros", make_pipeline(zeros, linear_model.Ridge()), np.nan_to_num(rows), target)


def texts(random):
    """Texts with gaps: a category, an imputer, and a code of its own."""
    frame = pd.DataFrame({"age": random.integers(18, 60, COUNT).astype(float)})
    frame["city"] = pd.Series(gaps(random, random.choice(["Bern", "Chur", "Thun"], COUNT).astype(object)), dtype=object)
    frame["plan"] = pd.Series(
        gaps(random, random.choice(["free", "paid"], COUNT).astype(object), gap=None), dtype=object
    )
    gone = frame["city"].isna().to_numpy() * 1.0 + frame["plan"].isna().to_numpy() * 0.7
    labels = (gone + (frame["plan"] == "paid").to_numpy() + random.normal(0, 0.3, COUNT) > 0.9).astype(int)
    encoder = lambda: preprocessing.OneHotEncoder(handle_unknown="ignore")
    line = lambda: linear_model.LogisticRegression(max_iter=500)
    parts = lambda one, two: ColumnTransformer(
        [("city", one, ["city"]), ("plan", two, ["plan"]), ("age", preprocessing.StandardScaler(), ["age"])]
    )
    keep("category", make_pipeline(parts(encoder(), encoder()), line()), frame, labels, sample=True)
    fill = lambda gap: make_pipeline(SimpleImputer(missing_values=gap, strategy="most_frequent"), encoder())
    boosted = XGBClassifier(n_estimators=30, max_depth=3, n_jobs=1)
    keep("filled", make_pipeline(parts(fill(np.nan), fill(None)), boosted), frame, labels, sample=True)
    code = lambda: preprocessing.OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-7
    )
    forest = ensemble.RandomForestClassifier(10, random_state=0)
    keep("code", make_pipeline(parts(code(), code()), forest), frame, labels, sample=True)
    # In a sparse matrix XGBoost takes zeros for missing values.
    many = frame[["city"]].assign(street=random.integers(0, 25, COUNT).astype(str))
    wide = make_pipeline(encoder(), XGBClassifier(n_estimators=20, max_depth=4, n_jobs=1))
    keep("sparse", wide, many, (many["street"].str.len() + gone + random.normal(0, 0.4, COUNT) > 2.1).astype(int))


def matrices(random):
    """Columns with names, truth values, and numbers that single precision rounds."""
    frame = pd.DataFrame(random.normal(0, 1, (COUNT, 3)).round(2), columns=["width", "age", "weight"])
    labels = (frame["width"] > frame["age"]).astype(int).to_numpy()
    keep("named", make_pipeline(preprocessing.StandardScaler(), linear_model.LogisticRegression()), frame, labels, True)
    flags = pd.DataFrame({"holiday": random.random(COUNT) < 0.3, "temp": random.normal(15, 8, COUNT).round(1)})
    parts = ColumnTransformer([("holiday", preprocessing.OneHotEncoder(), ["holiday"])], remainder="passthrough")
    busy = flags["holiday"].to_numpy() | (flags["temp"] > 25).to_numpy()
    keep("truth", make_pipeline(parts, ensemble.RandomForestClassifier(15, random_state=0)), flags, busy)
    ids = 20_000_001 + 2 * random.integers(0, 400, (COUNT, 1)).astype(float)
    ids[::2] += 1
    boosted = lambda: LGBMRegressor(n_estimators=20, n_jobs=1, verbose=-1, min_child_samples=2)
    keep("ids", boosted(), ids, ids[:, 0] % 7)
    keep("ids-fixed", boosted(), ids - 20_000_000, ids[:, 0] % 7)


def words(random):
    """Words with capitals that are not A to Z."""
    nouns = ["Äpfel", "Öl", "Übung", "Straße", "Brot", "Wein"]
    notes = np.array([" ".join(random.choice(nouns, 4)) for _ in range(COUNT)], dtype=object)
    labels = np.array([note.count("Äpfel") + note.count("Öl") > 1 for note in notes]).astype(int)
    model = make_pipeline(TfidfVectorizer(), linear_model.LogisticRegression())
    model.fit(list(notes[:FITTED]), labels[:FITTED])
    asked = pd.DataFrame({"text": [note if index % 2 else note.upper() for index, note in enumerate(notes[FITTED:])]})
    # The model takes a list of texts, and the case has a column of them.
    cases.write(FOLDER, "capitals", Documents(model), asked, True)
    with open(FOLDER / "capitals.pkl", "wb") as file:
        pickle.dump(model, file)


class Documents:
    """A model of texts, asked with a table."""

    def __init__(self, model):
        self.model = model

    def predict(self, table):
        return self.model.predict(list(table["text"]))

    def predict_proba(self, table):
        return self.model.predict_proba(list(table["text"]))


def refused(random):
    """Models of which a graph cannot hold all, and which refuse some rows themselves."""
    frame = pd.DataFrame({"age": gaps(random, random.normal(40, 9, COUNT).round(0))})
    cities = random.choice(["Bern", "", "Chur"], COUNT).astype(object)
    frame["city"] = pd.Series(gaps(random, cities), dtype=object)
    labels = (frame["city"] == "").astype(int).to_numpy()
    encoder = preprocessing.OneHotEncoder(handle_unknown="ignore")
    line = lambda: linear_model.LogisticRegression(max_iter=500)
    fill = make_pipeline(SimpleImputer(strategy="most_frequent"), encoder)
    parts = lambda one: ColumnTransformer([("age", SimpleImputer(), ["age"]), ("city", one, ["city"])])
    one_gap = frame.assign(city=frame["city"].replace("", np.nan))
    for name, table in {"": frame, "-fixed": one_gap}.items():
        keep(f"two-gaps{name}", make_pipeline(parts(fill), line()), table, labels)
        keep(f"two-categories{name}", make_pipeline(parts(encoder), line()), table, labels)
    rows = frame[["age"]].to_numpy()
    keep("neighbours", make_pipeline(KNNImputer(add_indicator=True), linear_model.Ridge()), rows, labels * 1.0)
    simple = make_pipeline(SimpleImputer(add_indicator=True), linear_model.Ridge())
    keep("neighbours-fixed", simple, rows, labels * 1.0)
    months = pd.DataFrame({"month": random.integers(1, 13, COUNT).astype(float), "age": random.normal(40, 9, COUNT)})
    strict = ColumnTransformer([("month", preprocessing.OneHotEncoder(), ["month"])], remainder="passthrough")
    keep("months", make_pipeline(strict, line()), months, (months["month"] > 6).astype(int).to_numpy())
    tuned = TunedThresholdClassifierCV(line(), scoring="recall", cv=3)
    keep("tuned", tuned, months[["age"]].to_numpy(), (months["age"] + random.normal(0, 5, COUNT) > 45).to_numpy() * 1)


warnings.simplefilter("ignore")
main()
