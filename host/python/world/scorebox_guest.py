"""What a script can use of the host beyond what the retired server gave it.

    from scorebox_guest import cache, graphs, log, metrics, model, redis

    weights = model.Tensor("weights").values()
    scores = graphs.run("ranker", {"rows": rows})["scores"]
    metrics.count("scored", len(scores), model=model.info().version)

The names are those of the SDK for components in Python. Tensors are arrays of numpy here.

Owns the names that scripts import. Must not know messages.
"""

import sys

import scorebox_guest_cache as cache
import scorebox_guest_graphs as graphs
import scorebox_guest_model as model
import scorebox_guest_redis as redis
from scorebox_guest_errors import Failed, Rejected, ScoreError, Unavailable
from scorebox_guest_facts import config, log, metrics

__all__ = [
    "Failed",
    "Rejected",
    "ScoreError",
    "Unavailable",
    "cache",
    "config",
    "graphs",
    "log",
    "metrics",
    "model",
    "redis",
]

# The parts are modules of this package, as in the SDK for components.
__path__ = []
for _part in ("cache", "config", "graphs", "log", "metrics", "model", "redis"):
    sys.modules[f"scorebox_guest.{_part}"] = globals()[_part]
del sys, _part
