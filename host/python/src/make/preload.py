"""Imports the libraries of a pack, once, in the sandbox where the pack is made.

Whatever is imported here costs a script nothing at its start. Whatever the first calls of common
models import or build is here too, because it would make the first request of each instance slow.
"""

import zipimport

# The snapshot remembers the directory of the archive that it was made with, and the library of the
# pack is another one. The importers hold the same dictionaries, so these are changed in place.
for _path, _files in zipimport._zip_directory_cache.items():
    _found = zipimport._read_directory(_path)
    _files.clear()
    _files.update(_found)

# These are imported from the archive.
import gc
import importlib
import importlib.metadata

importlib.invalidate_caches()

# Integers must have 64 bits before a library reads their type.
import scorebox_integers

scorebox_integers.install()

# The hooks of the world must be there before the modules that they change.
import scorebox_world

for _module in """
base64 bisect calendar collections concurrent.futures contextlib copy csv dataclasses datetime
decimal enum fractions functools gzip hashlib heapq hmac html http inspect io itertools json logging
logging.config math operator os pathlib pickle platform pprint queue random re secrets shutil
statistics string struct tempfile textwrap threading time timeit traceback types typing urllib.parse
uuid warnings zlib zoneinfo

numpy numpy.linalg numpy.fft numpy.ma numpy.polynomial numpy.random numpy.lib.recfunctions
pandas pandas.api.types
scipy scipy.integrate scipy.interpolate scipy.linalg scipy.ndimage scipy.optimize scipy.signal
scipy.sparse scipy.sparse.csgraph scipy.sparse.linalg scipy.spatial scipy.special scipy.stats
joblib cloudpickle threadpoolctl

sklearn sklearn.base sklearn.calibration sklearn.cluster sklearn.compose sklearn.covariance
sklearn.cross_decomposition sklearn.decomposition sklearn.discriminant_analysis sklearn.dummy
sklearn.ensemble sklearn.experimental.enable_iterative_imputer sklearn.feature_extraction
sklearn.feature_extraction.text sklearn.feature_selection sklearn.gaussian_process sklearn.impute
sklearn.isotonic sklearn.kernel_approximation sklearn.kernel_ridge sklearn.linear_model
sklearn.manifold sklearn.metrics sklearn.mixture sklearn.model_selection sklearn.multiclass
sklearn.multioutput sklearn.naive_bayes sklearn.neighbors sklearn.neural_network sklearn.pipeline
sklearn.preprocessing sklearn.random_projection sklearn.semi_supervised sklearn.svm sklearn.tree
sklearn.utils

dateutil.parser pytz typing_extensions yaml
redis redis.client redis.cluster redis.connection redis.exceptions redis.lock redis.sentinel
inference_schema.schema_decorators inference_schema.schema_util
inference_schema.parameter_types.numpy_parameter_type
inference_schema.parameter_types.pandas_parameter_type
inference_schema.parameter_types.standard_py_parameter_type
""".split():
    importlib.import_module(_module)

# The rest of the world, which no other file of the world imports.
for _file in list(_found):
    if _file.startswith("scorebox_"):
        importlib.import_module(_file.removesuffix(".py"))


def _use_common_models():
    """Fits and runs small models, which builds what the first calls of such models need."""
    import io
    import warnings

    import joblib
    import numpy as np
    import pandas as pd
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import (
        GradientBoostingClassifier,
        HistGradientBoostingClassifier,
        RandomForestClassifier,
    )
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LinearRegression, LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler
    from sklearn.svm import SVC

    rows = np.linspace(0.0, 1.0, 80).reshape(20, 4)
    labels = np.array([0, 1] * 10)
    frame = pd.DataFrame({"number": rows[:, 0], "word": ["a", "b"] * 10})
    columns = ColumnTransformer(
        [("numbers", SimpleImputer(), ["number"]), ("words", OneHotEncoder(), ["word"])]
    )
    models = [
        (LinearRegression(), rows),
        (LogisticRegression(), rows),
        (RandomForestClassifier(2, random_state=0), rows),
        (GradientBoostingClassifier(n_estimators=2, random_state=0), rows),
        (HistGradientBoostingClassifier(max_iter=2, random_state=0), rows),
        (make_pipeline(StandardScaler(), SVC()), rows),
        (make_pipeline(columns, LogisticRegression()), frame),
        (make_pipeline(TfidfVectorizer(), LogisticRegression()), ["one two", "two three"] * 10),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for model, inputs in models:
            file = io.BytesIO()
            joblib.dump(model.fit(inputs, labels), file)
            file.seek(0)
            model = joblib.load(file)
            model.predict(inputs[:1]).tolist()
            if hasattr(model, "predict_proba"):
                model.predict_proba(inputs[:1])
        frame.to_json(orient="records")
        frame.describe()


_use_common_models()
del _use_common_models, _module, _file, _path, _files, _found
# What was looked up of the packages is found again by the time of this archive only. Objects that
# are frozen would keep an archive open that is looked up later.
importlib.metadata.MetadataPathFinder.invalidate_caches()
gc.collect()
# The collector would read, and so copy, every object of the libraries in each instance.
gc.freeze()
