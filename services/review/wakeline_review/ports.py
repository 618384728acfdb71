"""What the use cases of review need from outside."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from wakeline_events.base import AssetId, Event, LabelId, PersonId, ProjectId, StageId, TaskId
from wakeline_events.configuration import ProjectDocument, StagePolicy
from wakeline_events.labeling import LabelCompleted, TeamConfigured
from wakeline_events.shapes import AnnotationSet
from wakeline_geometry.reliability import Vote
from wakeline_review.domain.records import Crew, Review, ReviewLease, Standing


class Projects(Protocol):
    """The latest configuration of every project, with the stages that it has no more."""

    async def get(self, project_id: ProjectId) -> ProjectDocument | None: ...
    def put(
        self,
        project_id: ProjectId,
        version: int,
        document: ProjectDocument,
        gone: Sequence[StagePolicy],
    ) -> None: ...


class Benchmarks(Protocol):
    """Trusted labels."""

    async def get(self, stage_id: StageId, asset_id: AssetId) -> AnnotationSet | None: ...
    def put(self, stage_id: StageId, asset_id: AssetId, truth: AnnotationSet) -> None: ...


class Reviews(Protocol):
    """Every label that was ever submitted, and what became of it."""

    async def get(self, label_id: LabelId) -> Review | None: ...
    async def of_task(self, task_id: TaskId) -> list[Review]: ...
    async def lease_next(
        self, stage_id: StageId, person_id: PersonId, length: timedelta, request: str
    ) -> Review | None: ...
    async def held(
        self, person_id: PersonId, label_ids: Collection[LabelId] | None = None
    ) -> list[Review]: ...
    async def live(self, lease_id: str, person_id: PersonId) -> Review | None: ...
    async def extend(self, lease_id: str, person_id: PersonId, length: timedelta) -> bool: ...
    async def give_back(self, lease_id: str, person_id: PersonId) -> bool: ...
    async def release(
        self, project_id: ProjectId, stage_id: StageId | None, person_id: PersonId
    ) -> int: ...
    async def page(
        self, project_id: ProjectId, stage: str | None, after: LabelId | None, limit: int
    ) -> Sequence[Review]: ...
    async def counting(
        self, asset_id: AssetId | None, after: LabelId, limit: int
    ) -> Sequence[Review]: ...
    async def counts(self, stage_id: StageId) -> dict[str, int]: ...
    async def votes(self, stage_id: StageId, limit: int) -> Sequence[Vote]: ...
    def put(self, review: Review) -> None: ...
    def put_withdrawn(self, asset_id: AssetId, *, withdrawn: bool) -> None: ...


class Withdrawals(Protocol):
    """Images that are not to be had at the moment."""

    async def holds(self, asset_id: AssetId) -> bool: ...
    async def note(self, asset_id: AssetId) -> bool: ...
    def add(self, asset_id: AssetId) -> None: ...
    def remove(self, asset_id: AssetId) -> None: ...


class Standings(Protocol):
    """What is known of the people of every stage."""

    async def get(self, stage_id: StageId, person_id: PersonId) -> Standing: ...
    def count_label(self, stage_id: StageId, person_id: PersonId) -> None: ...
    def add_score(self, stage_id: StageId, person_id: PersonId, score: float) -> None: ...


class Days(Protocol):
    """How people do, day by day."""

    def add(
        self, label: LabelCompleted, counts: Mapping[str, int], seconds: float | None = None
    ) -> None: ...


class Teams(Protocol):
    """What an hour of each team costs, and who is in it."""

    async def crew_of(self, person_id: PersonId, team_id: str | None) -> Crew: ...
    def put(self, event: TeamConfigured) -> None: ...


class Drafts(Protocol):
    """Corrections whose lease ended before they came in."""

    def put(self, label_id: LabelId, person_id: PersonId, work: dict[str, Any]) -> None: ...
    async def get(self, label_id: LabelId, person_id: PersonId) -> dict[str, Any] | None: ...


class ReviewUnitOfWork(Protocol):
    """One transaction of the review service."""

    now: datetime

    @property
    def projects(self) -> Projects: ...
    @property
    def benchmarks(self) -> Benchmarks: ...
    @property
    def reviews(self) -> Reviews: ...
    @property
    def withdrawals(self) -> Withdrawals: ...
    @property
    def standings(self) -> Standings: ...
    @property
    def days(self) -> Days: ...
    @property
    def teams(self) -> Teams: ...
    @property
    def drafts(self) -> Drafts: ...
    def emit(self, *events: Event) -> None: ...
    def enqueue(self, kind: str, job_id: str, payload: dict[str, Any]) -> None: ...
    def known(self, *names: str) -> None: ...
    async def earlier_waits_for(self, name: str) -> bool: ...


__all__ = [
    "Benchmarks",
    "Days",
    "Drafts",
    "Projects",
    "ReviewLease",
    "ReviewUnitOfWork",
    "Reviews",
    "Standings",
    "Teams",
    "Withdrawals",
]
