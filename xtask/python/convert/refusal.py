"""Refusals: reasons why a model is not converted.

Owns the form: what is wrong, which estimator is concerned, and what to do instead. Must not know
any reason.
"""


class Refused(Exception):
    """Reason why a model is not converted, with an instruction for the user."""

    def __init__(self, problem, fix, estimator=None):
        super().__init__(problem)
        self.problem = problem
        self.fix = fix
        self.estimator = estimator

    def outcome(self):
        """Returns the refusal in the form of an outcome, which the caller reads."""
        return {"kind": "refused", "problem": self.problem, "fix": self.fix, "estimator": self.estimator}


def brief(error):
    """Returns an exception as one line of at most 300 characters."""
    text = " ".join(str(error).split())
    name = type(error).__name__
    text = f"{name}: {text}" if text else name
    return text if len(text) <= 300 else text[:297] + "..."
