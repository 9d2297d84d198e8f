"""What the API server may answer instead of doing what it was asked; the type says when to try again."""

import kopf

__all__ = ["ApiRefusedError", "ApiUnavailableError"]

_REFUSED_AGAIN_SECONDS = 60.0
"""What was refused stays refused until somebody changes something, an RBAC rule or a quota, that we do not watch."""


class ApiUnavailableError(kopf.TemporaryError):
    """The API server did not answer, or asked to come back: try again soon.

    Attributes:
        action: what was asked of it, for example "apply DaemonSet".
        answer: what came back.
    """

    def __init__(self, action: str, answer: str, delay: float = 5.0) -> None:
        super().__init__(f"{action}: {answer}", delay=delay)
        self.action = action
        self.answer = answer


class ApiRefusedError(kopf.TemporaryError):
    """The API server understood and said no; people should read it in the policy's status.

    Attributes:
        action: what was asked of it.
        status: the HTTP status.
        answer: the API server's own words.
    """

    def __init__(self, action: str, status: int, answer: str) -> None:
        super().__init__(f"{action}: {status} {answer}", delay=_REFUSED_AGAIN_SECONDS)
        self.action = action
        self.status = status
        self.answer = answer
