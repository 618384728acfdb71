"""What can be wrong with a request to the review service."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar


class NoReviewAvailableError(Exception):
    """Nothing waits for this reviewer."""

    code: ClassVar[str] = "no-review-available"


class NotOnTeamError(Exception):
    """The caller is not on the team that reviews this stage."""

    code: ClassVar[str] = "not-on-team"


class OwnLabelError(Exception):
    """Nobody judges a label of their own."""

    code: ClassVar[str] = "own-label"


class UnknownStageError(Exception):
    """No such project or stage."""

    code: ClassVar[str] = "unknown-stage"


class NoSuchReviewError(Exception):
    """There is no such review, or it is not for the caller to see."""

    code: ClassVar[str] = "no-such-review"


class NoSuchLeaseError(Exception):
    """The caller has, and had, no such lease."""

    code: ClassVar[str] = "no-such-lease"


class ReviewLeaseExpiredError(Exception):
    """The caller's lease is over; a verdict that comes with it is kept as a draft."""

    code: ClassVar[str] = "lease-expired"


class AlreadyJudgedError(Exception):
    """The lease ended before, with another verdict of the caller's."""

    code: ClassVar[str] = "already-judged"


class LastRoundError(Exception):
    """A label of the last round cannot be sent back once more."""

    code: ClassVar[str] = "last-round"


class InvalidAnnotationsError(Exception):
    """The corrected annotations do not fit the ontology or the image."""

    code: ClassVar[str] = "invalid-annotations"

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(f"{len(problems)} of the corrected annotations' properties are wrong")
        self.extra: Mapping[str, Any] = {"problems": list(problems)[:100]}


class NotAcceptedError(Exception):
    """Only a label that counts already can be corrected later."""

    code: ClassVar[str] = "not-accepted"


class TooManyDaysError(Exception):
    """Statistics over more than one answer can be made of."""

    code: ClassVar[str] = "too-many-days"


class InvalidVerdictError(Exception):
    """A verdict that does not say what it must, or names labels that are not judged here."""

    code: ClassVar[str] = "invalid-verdict"
