"""The errors by which a script says what becomes of a call.

Owns the three errors. Must not know how the host is told about them.
"""


class ScoreError(Exception):
    """The reason why a call has no answer. Raise `Rejected`, `Unavailable` or `Failed`.

    `code` is in kebab-case. `message` is sent to the caller, and must not contain a secret.
    `detail` goes to the log alone.
    """

    def __init__(self, code, message, detail=None):
        super().__init__(code, message)
        self.code, self.message, self.detail = code, message, detail

    def __str__(self):
        return f"{self.code}: {self.message}" + (f" ({self.detail})" if self.detail else "")


class Rejected(ScoreError):
    """This request can never be scored."""


class Unavailable(ScoreError):
    """A later call may succeed."""


class Failed(ScoreError):
    """The script is at fault."""
