"""Why a model is not converted.

Owns the form: what is wrong, which estimator it concerns, what to do instead. Must not know any reason.
"""


class Refused(Exception):
    """A model that is not converted; whoever reads this can do something about it."""

    def __init__(self, problem, fix, estimator=None):
        super().__init__(problem)
        self.problem = problem
        self.fix = fix
        self.estimator = estimator

    def outcome(self):
        """As the caller reads it."""
        return {"kind": "refused", "problem": self.problem, "fix": self.fix, "estimator": self.estimator}


def brief(error):
    """An exception in one line that is not too long."""
    text = " ".join(str(error).split())
    name = type(error).__name__
    text = f"{name}: {text}" if text else name
    return text if len(text) <= 300 else text[:297] + "..."
