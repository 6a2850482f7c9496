"""Trains models of the kinds that users of other tools reported as trouble, and that a conversion always kept.

Owns the models, with fixed seeds: options of boosting, several targets, names of columns, types of columns, numbers that lie on
thresholds, and files of rows. Must not know how anything is converted.

    python3 agreeing.py FOLDER
"""

import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from lightgbm import LGBMClassifier, LGBMRegressor, early_stopping
from sklearn import ensemble, linear_model, multioutput, preprocessing, svm
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from xgboost import XGBClassifier, XGBRegressor

sys.path.insert(0, str(Path(__file__).parent))
import cases  # noqa: E402

FOLDER = Path(sys.argv[1])
FITTED, ASKED = 300, 40
COUNT = FITTED + ASKED
NAMES = ["年齢", "home.dest", "home_dest", "Einkommen (k€)", "a/b~c", "a,b=c[2]", "label", "data", "inputs", "id"]


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(11)
    light(random)
    extreme(random)
    targets(random)
    names(random)
    prices(random)
    types(random)
    texts(random)


def keep(name, model, frame, labels, sample=False, **options):
    """Fits on the first rows, and asks for the others."""
    rows = lambda some: frame.iloc[some] if isinstance(frame, pd.DataFrame) else frame[some]
    model.fit(rows(slice(FITTED)), labels[:FITTED], **options)
    cases.write(FOLDER, name, model, rows(slice(FITTED, None)).copy(), sample)


def gaps(random, values):
    values = values.copy()
    values[random.random(values.shape) < 0.2] = np.nan
    return values


def light(random):
    """LightGBM, whose missing values go another way for each option."""
    rows = random.normal(0, 1, (COUNT, 4)).round(2)
    missing = gaps(random, rows)
    values = np.exp(np.nan_to_num(rows) @ [0.6, -0.3, 0.2, 0.0]) + np.isnan(missing[:, 1])
    few = {"n_estimators": 12, "num_leaves": 7, "n_jobs": 1, "verbose": -1}
    keep("lgbm-missing", LGBMClassifier(**few), missing, (values > 1).astype(int))
    # NaN that was never in the training data.
    later = rows.copy()
    later[FITTED:] = missing[FITTED:]
    keep("lgbm-missing-later", LGBMRegressor(**few), later, values)
    for name, options in {
        "unused": {"use_missing": False},
        "dart": {"boosting_type": "dart"},
        "poisson": {"objective": "poisson"},
        "tweedie": {"objective": "tweedie"},
    }.items():
        keep(f"lgbm-{name}", LGBMRegressor(**few, **options), missing, values)


def extreme(random):
    """XGBoost with a base score that the data or the caller chose, stopped early, and with objectives that have a link."""
    rows = random.normal(0, 1, (COUNT, 3)).round(2)
    few = {"n_estimators": 12, "max_depth": 3, "n_jobs": 1}
    rare = np.select([rows[:, 0] > 1.4, rows[:, 1] > 1.2], [1, 2], 0)
    rare[:3] = [0, 1, 2]
    keep("xgb-unbalanced", XGBClassifier(**few), rows, rare)
    keep("xgb-base-score", XGBClassifier(base_score=0.2, **few), rows, (rows[:, 0] > 0.2).astype(int))
    counts = np.exp(rows @ [0.5, -0.2, 0.1]) + 0.1
    for objective in ("count:poisson", "reg:gamma", "reg:tweedie"):
        keep(f"xgb-{objective.split(':')[1]}", XGBRegressor(objective=objective, **few), rows, counts)
    late = [(rows[:50], counts[:50])]
    stopped = XGBRegressor(n_estimators=200, max_depth=4, learning_rate=0.5, early_stopping_rounds=3, n_jobs=1)
    keep("xgb-stopped", stopped, rows[::-1], counts[::-1], eval_set=late, verbose=False)
    stop = [early_stopping(3, verbose=False)]
    lights = LGBMRegressor(n_estimators=200, learning_rate=0.5, n_jobs=1, verbose=-1)
    keep("lgbm-stopped", lights, rows[::-1], counts[::-1], eval_set=late, callbacks=stop)


def targets(random):
    """Regressions of two targets."""
    rows = random.normal(0, 1, (COUNT, 3)).round(2)
    both = np.stack([rows @ [1.0, 0.5, 0.0], rows @ [0.0, -1.0, 2.0]], axis=1)
    keep("targets-forest", ensemble.RandomForestRegressor(8, random_state=0), rows, both)
    each = multioutput.MultiOutputRegressor(LGBMRegressor(n_estimators=8, n_jobs=1, verbose=-1))
    keep("targets-each", each, rows, both)


def names(random):
    """Columns whose names are no identifiers, and columns in another order than that of the alphabet."""
    frame = pd.DataFrame(random.normal(0, 1, (COUNT, len(NAMES))).round(2), columns=NAMES)
    labels = (frame.to_numpy() @ np.linspace(-1, 1, len(NAMES)) > 0).astype(int)
    scaled = ColumnTransformer([(f"p{index}", preprocessing.StandardScaler(), [name]) for index, name in enumerate(NAMES)])
    keep("names", make_pipeline(scaled, linear_model.LogisticRegression()), frame, labels)
    numbered = frame.iloc[:, :4].set_axis(range(4), axis=1)
    numbered_parts = ColumnTransformer([("all", preprocessing.StandardScaler(), [0, 1, 2, 3])])
    keep("numbered", make_pipeline(numbered_parts, linear_model.LogisticRegression()), numbered, labels)
    ordered = pd.DataFrame(random.normal(0, 1, (COUNT, 12)).round(2), columns=[f"column {one:02}" for one in range(12, 0, -1)])
    keep("reversed", XGBClassifier(n_estimators=12, max_depth=3, n_jobs=1), ordered, (ordered.to_numpy() @ np.arange(12) > 0) * 1)
    wide = pd.DataFrame(random.normal(0, 1, (COUNT, 300)).round(2), columns=[f"c{index}" for index in range(300)])
    keep("wide", linear_model.Ridge(), wide, wide["c7"] - wide["c299"], sample=True)


def prices(random):
    """Numbers with two decimals, all of which the model was fitted on, so that each lies on a threshold or next to one."""
    rows = (random.integers(1, 400, (COUNT, 2)) / 100).round(2)
    rows[FITTED:] = rows[:ASKED]
    values = np.where(rows[:, 0] > 1.99, 1.0, 0.0) + rows[:, 1].round(1)
    few = {"n_estimators": 20, "n_jobs": 1}
    for name, model in {
        "lgbm": LGBMRegressor(**few, verbose=-1, min_child_samples=1),
        "xgb": XGBRegressor(**few, max_depth=6),
        "forest": ensemble.RandomForestRegressor(**few, random_state=0),
        "boosting": ensemble.GradientBoostingRegressor(n_estimators=20, random_state=0),
        "histogram": ensemble.HistGradientBoostingRegressor(max_iter=20, min_samples_leaf=1),
    }.items():
        keep(f"prices-{name}", model, rows, values)


def types(random):
    """Columns of the types that pandas has, and labels of several types."""
    frame = pd.DataFrame({"age": random.integers(18, 80, COUNT), "income": random.normal(60, 20, COUNT).round(2)})
    labels = (frame["income"] + frame["age"] > 110).to_numpy()
    line = lambda: make_pipeline(preprocessing.StandardScaler(), linear_model.LogisticRegression())
    keep("floating-labels", line(), frame, np.where(labels, 2.0, 1.0))
    keep("boolean-labels", line(), frame, labels)
    vectors = make_pipeline(preprocessing.StandardScaler(), svm.SVC(probability=True, random_state=0))
    keep("umlauts", vectors, frame, np.where(labels, "Größe", "Übrig"))
    keep("integers", line(), frame.round(0).astype("Int64"), labels * 1)
    keep("bins", make_pipeline(preprocessing.KBinsDiscretizer(5, encode="ordinal", quantile_method="averaged_inverted_cdf"), line_only()), frame, labels * 1)
    target = ColumnTransformer([("zip", preprocessing.TargetEncoder(random_state=0), ["zip"])], remainder="passthrough")
    zips = frame.assign(zip=random.choice(["01067", "8001", "3011"], COUNT))
    keep("target", make_pipeline(target, linear_model.LogisticRegression()), zips, labels * 1, sample=True)
    encode = lambda: preprocessing.OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    coded = frame.assign(month=random.integers(1, 13, COUNT))
    coded.loc[coded.index[-5:], "month"] = 77
    months = ColumnTransformer([("month", encode(), ["month"]), ("rest", preprocessing.StandardScaler(), ["age", "income"])])
    keep("codes", make_pipeline(months, line_only()), coded, labels * 1)
    parts = lambda: ColumnTransformer([("zip", encode(), ["zip"])], remainder=SimpleImputer())
    missing = zips.assign(income=gaps(random, zips["income"].to_numpy()))
    keep("imputed-boosting", make_pipeline(parts(), XGBClassifier(n_estimators=8, max_depth=3, n_jobs=1)), missing, labels * 1, sample=True)
    category = zips.assign(zip=zips["zip"].astype("category"))
    keep("category", make_pipeline(parts(), line_only()), category, labels * 1, sample=True)
    framed = make_pipeline(parts(), preprocessing.StandardScaler(), line_only()).set_output(transform="pandas")
    keep("pandas-output", framed, zips, labels * 1, sample=True)
    rare = ColumnTransformer([("month", preprocessing.OneHotEncoder(min_frequency=20, handle_unknown="infrequent_if_exist"), ["month"])])
    keep("rare", make_pipeline(rare, line_only()), coded, labels * 1)


def line_only():
    return linear_model.LogisticRegression(max_iter=1000)


def texts(random):
    """Two columns of words next to a number."""
    words = np.array(["red", "green", "blue", "small", "large", "Größe"])
    speak = lambda: [" ".join(random.choice(words, 3)) for _ in range(COUNT)]
    frame = pd.DataFrame({"title": speak(), "note": speak(), "price": random.normal(9, 2, COUNT).round(2)})
    labels = (frame["title"].str.count("red") > frame["note"].str.count("red")).astype(int).to_numpy()
    parts = ColumnTransformer([("t", TfidfVectorizer(), "title"), ("n", TfidfVectorizer(), "note")], remainder="passthrough")
    keep("two-texts", make_pipeline(parts, line_only()), frame, labels, sample=True)


warnings.simplefilter("ignore")
main()
