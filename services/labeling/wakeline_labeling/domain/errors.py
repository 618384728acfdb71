"""Every refusal of the labeling service: a class with a stable code and a text that helps."""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar


class LabelingError(Exception):
    """Something that the caller asked for and that cannot be done."""

    code: ClassVar[str] = "labeling-error"

    def __init__(self, detail: str, **extra: Any) -> None:
        super().__init__(detail)
        self.extra: Mapping[str, Any] = extra


class NoSuchProjectError(LabelingError):
    """There is no such project."""

    code = "no-such-project"

    def __init__(self, project_id: str) -> None:
        super().__init__(f"there is no project {project_id!r}: create it with `project apply`")


class NoSuchStageError(LabelingError):
    """The project has no such stage."""

    code = "no-such-stage"

    def __init__(self, stage: str, known: Sequence[str] = ()) -> None:
        there = f"; the project has {', '.join(known)}" if known else " that you work in"
        super().__init__(f"there is no stage {stage!r}{there}")


class NoSuchTeamError(LabelingError):
    """There is no such team."""

    code = "no-such-team"

    def __init__(self, team_id: str) -> None:
        super().__init__(f"there is no team {team_id!r}: create it with PUT /v1/teams/{team_id}")


class NoSuchPersonError(LabelingError):
    """There is no such person."""

    code = "no-such-person"

    def __init__(self, person_id: str) -> None:
        super().__init__(f"there is no person {person_id!r}")


class NoSuchLeaseError(LabelingError):
    """The caller has, and had, no such lease."""

    code = "no-such-lease"

    def __init__(self, lease_id: str) -> None:
        super().__init__(f"you have no lease {lease_id!r}")


class NoSuchBandError(LabelingError):
    """The leased asset has no such band."""

    code = "no-such-band"

    def __init__(self, band: str, known: Sequence[str]) -> None:
        there = ", ".join(known) or "none"
        super().__init__(f"the asset has no band {band!r}; it has {there}")


class InvalidProjectError(LabelingError):
    """A project document that cannot work; ``problems`` says what to do about it."""

    code = "invalid-project"

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems), problems=list(problems))


class OrphansLabelsError(LabelingError):
    """A change that labels or open tasks would not survive."""

    code = "orphans-labels"

    def __init__(self, problems: Sequence[str]) -> None:
        detail = "; ".join(problems)
        super().__init__(
            f"{detail}; apply with force to do it all the same", problems=list(problems)
        )


class NoSuchActionError(LabelingError):
    """Nothing like that was done with the project's tasks."""

    code = "no-such-action"

    def __init__(self, action_id: str) -> None:
        super().__init__(f"the project has no action {action_id!r}")


class InvalidActionError(LabelingError):
    """An action that lacks what it needs."""

    code = "invalid-action"


class NotAMemberError(LabelingError):
    """The caller is in none of the stage's teams."""

    code = "not-a-member"

    def __init__(self, stage: str, team_id: str) -> None:
        super().__init__(f"stage {stage!r} is worked on by team {team_id!r}, and you are not in it")


class ExamFailedError(LabelingError):
    """The caller's exam did not go well enough for this stage."""

    code = "exam-failed"

    def __init__(self, detail: str, again_at: datetime | None) -> None:
        super().__init__(detail, again_at=again_at.isoformat() if again_at else None)


class SuspendedError(LabelingError):
    """The caller's last benchmarks were not good enough for this stage."""

    code = "suspended"


class NoSuchExamError(LabelingError):
    """The person has not taken an exam of the stage."""

    code = "no-such-exam"


class TooManyLeasesError(LabelingError):
    """The caller, or their team, holds as many leases of the stage as they may."""

    code = "too-many-leases"


class TooManyRequestsError(LabelingError):
    """The caller asks more often than the stage lets them."""

    code = "too-many-requests"

    def __init__(self, detail: str, seconds: float) -> None:
        super().__init__(detail)
        self.retry_after = math.ceil(seconds)


class NoTaskAvailableError(LabelingError):
    """Nothing in the queue is for this person now."""

    code = "no-task-available"


class LeaseEndedError(LabelingError):
    """The lease has ended already: by its submit, its return or a skip."""

    code = "lease-ended"


class LeaseExpiredError(LabelingError):
    """The lease ran out of time."""

    code = "lease-expired"


class FenceOutdatedError(LabelingError):
    """The slot was leased again since."""

    code = "fence-outdated"


class AlreadySubmittedError(LabelingError):
    """The lease was submitted before, with other annotations."""

    code = "already-submitted"

    def __init__(self, label_id: str) -> None:
        super().__init__(
            f"this lease became label {label_id} with other annotations; "
            "a change of it now is a correction in review",
            label_id=label_id,
        )


class InvalidAnnotationsError(LabelingError):
    """Annotations that the ontology or the image does not allow."""

    code = "invalid-annotations"

    def __init__(self, problems: Sequence[str], shown: int = 20) -> None:
        more = f"; and {len(problems) - shown} more" if len(problems) > shown else ""
        super().__init__(
            "; ".join(problems[:shown]) + more,
            problems=list(problems[:shown]),
            problem_count=len(problems),
        )
