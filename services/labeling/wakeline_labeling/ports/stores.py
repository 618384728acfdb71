"""The stores of every other aggregate, as use cases see them."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Protocol

from wakeline_events.base import Asset
from wakeline_events.shapes import AnnotationSet
from wakeline_labeling.domain.records import (
    Acceptance,
    Benchmark,
    Draft,
    Label,
    Person,
    Prelabel,
    Project,
    StageState,
    Task,
    Team,
)
from wakeline_labeling.domain.teams import Colleague


class Projects(Protocol):
    """Projects and all their versions."""

    async def get(self, project_id: str) -> Project | None:
        """The project as it stands."""

    async def held(self, project_id: str) -> Project | None:
        """The project as it stands, and goes on standing until the commit."""

    async def related_to(self, stage_id: str) -> list[str]:
        """Ids of the stages of other projects that a stage's model answers for."""

    async def cached(self, project_id: str) -> Project | None:
        """The project as it stood a second ago at most: for what must not read it every time."""

    async def page(self, after: str, limit: int, whose: Colleague | None = None) -> list[Project]:
        """Projects by id, from after this one on; only those in which somebody works, if named."""

    async def of_dataset(self, dataset_id: str) -> list[str]:
        """Ids of the projects that label a dataset; locks the answer until the commit."""

    async def versions(self, project_id: str) -> list[Mapping[str, Any]]:
        """``version``, ``at``, ``by`` and ``document`` of every version, newest first."""

    async def page_of_stages(self) -> list[StageState]:
        """The state of every stage of every project."""

    async def stage_state(self, stage_id: str) -> StageState | None:
        """What changes about a stage while it is worked on."""

    def put(self, project: Project, *, by: str, at: datetime) -> None:
        """Store a new version."""

    def put_stage(self, state: StageState) -> None:
        """Store the state of a stage."""

    def add_stage(self, stage_id: str) -> None:
        """Give a new stage a state; an old one keeps its own."""

    def serve(self, stage_id: str, epoch: int, model_version: str | None, at: datetime) -> None:
        """Say what serves a stage since an epoch; an older epoch changes nothing."""


class Teams(Protocol):
    """Teams and people."""

    async def get(self, team_id: str) -> Team | None:
        """One team."""

    async def all(self) -> list[Team]:
        """All teams, by id."""

    async def ids(self) -> set[str]:
        """The ids of all teams."""

    async def person(self, person_id: str) -> Person | None:
        """One person."""

    async def people(self, after: str, limit: int, team_id: str | None) -> list[Person]:
        """People by id, from after this one on."""

    async def members(self, team_id: str) -> list[Person]:
        """Everyone in a team, by id."""

    async def count(self, team_ids: Collection[str], role: str) -> int:
        """How many members of these teams have a role."""

    def put(self, team: Team) -> None:
        """Store a team."""

    def put_person(self, person: Person) -> None:
        """Store a person."""


class Assets(Protocol):
    """The images that can be labeled, and the groups they fall into."""

    async def get(self, asset_ids: Collection[str]) -> dict[str, Asset]:
        """Those of the assets that are known."""

    async def count(self, dataset_ids: Collection[str], limit: int) -> int:
        """How many assets datasets have, counted up to a limit."""

    async def page(self, dataset_id: str, after: str, limit: int) -> list[Asset]:
        """Assets of a dataset by id, from after this one on."""

    async def unopened(self, project_id: str, limit: int) -> list[Asset]:
        """Assets that came since and for which a project has opened nothing yet."""

    async def lowest_groups(self, dataset_id: str, count: int) -> tuple[str, ...]:
        """The groups of lowest rank that a dataset has so far."""

    def add(self, asset: Asset, unopened: Collection[str]) -> None:
        """Store a new asset that these projects have still to open tasks for."""

    def opened(self, project_id: str, asset_ids: Collection[str]) -> None:
        """Say that a project has opened tasks for assets."""

    def put_withdrawn(self, asset_id: str, *, withdrawn: bool) -> None:
        """Say whether an image is not to be had."""

    async def withdrawn(self, asset_ids: Collection[str]) -> list[str]:
        """Those of the images that are not to be had.

        Writes to all of them, so that none is withdrawn unseen in a transaction beside this one.
        """


class Tasks(Protocol):
    """Tasks, one an asset and stage."""

    async def get(self, task_id: str) -> Task | None:
        """One task."""

    async def exists(self, task_id: str) -> bool:
        """Whether there is such a task."""

    async def existing(self, task_ids: Collection[str]) -> set[str]:
        """Those of the ids that have a task."""

    async def many(self, task_ids: Collection[str]) -> dict[str, Task]:
        """Those of the tasks that there are, by id."""

    async def of_groups(self, stage_id: str, groups: Collection[tuple[str, str]]) -> list[Task]:
        """Hold-out tasks of ``(dataset, group)`` pairs."""

    async def paired(self, stage_id: str) -> list[Task]:
        """Tasks that were opened in pairs."""

    async def note_companion(self, task_id: str) -> Task | None:
        """Note that the second half of a pair has its label; the task, locked until the commit."""

    def add(self, task: Task) -> None:
        """Store a new task."""

    def replace(self, task: Task) -> None:
        """Store a changed task."""

    def accept(self, task_id: str, label_id: str, agreement: float | None, *, closed: bool) -> None:
        """Say that a label of the task was accepted, and how far its people agreed.

        ``closed`` says that nobody works on the task any more.
        """

    def close(self, task_id: str) -> None:
        """Say that nobody works on the task any more."""

    def put_withdrawn(self, task_id: str, *, withdrawn: bool) -> None:
        """Say whether a task waits for its image, if there is such a task."""


class Prelabels(Protocol):
    """Predictions' shapes, kept under their id and never changed."""

    async def get(self, prediction_id: str) -> Prelabel | None:
        """One of them."""

    def put(self, prelabel: Prelabel) -> None:
        """Store one."""


class Labels(Protocol):
    """What people submitted, and what became of it."""

    async def get(self, label_id: str) -> Label | None:
        """One label."""

    async def many(self, label_ids: Collection[str]) -> dict[str, Label]:
        """Those of the labels that there are, by id."""

    async def of_lease(self, slot_id: str, lease_ids: Collection[str]) -> Label | None:
        """The label that a lease, which may have several names, became."""

    async def page(
        self,
        project_id: str,
        stage_id: str | None,
        state: str | None,
        after: tuple[datetime, str] | None,
        limit: int,
    ) -> list[Label]:
        """Labels of a project by time, from after this position on."""

    async def count_of_stage(self, project_id: str, stage_id: str) -> int:
        """How many labels were made at a stage."""

    async def count_using(self, project_id: str, word: str) -> int:
        """How many labels use a word of the ontology."""

    def add(self, label: Label) -> None:
        """Store a new label."""

    def accept(self, label_id: str, acceptance: Acceptance, state: str) -> None:
        """Note a verdict."""

    def reject(self, label_id: str) -> None:
        """Note a rejection."""

    def correct(self, label_id: str, annotations: AnnotationSet, reviewer_id: str) -> None:
        """Put later annotations in the place of the accepted ones."""


class Drafts(Protocol):
    """Unfinished work."""

    async def get(self, slot_id: str, person_id: str) -> Draft | None:
        """A person's draft of a slot."""

    def put(self, draft: Draft) -> None:
        """Store a draft in the place of the one before."""

    def delete(self, slot_id: str, person_id: str) -> None:
        """Forget a draft."""


class Benchmarks(Protocol):
    """Trusted labels."""

    async def many(self, ids: Collection[str]) -> dict[str, Benchmark]:
        """Those of them that there are, by id."""

    async def page(self, asset_id: str | None, after: str, limit: int) -> list[Benchmark]:
        """Those of all stages, or of one asset, in order of their id behind ``after``."""

    def put(self, benchmark: Benchmark) -> None:
        """Store one."""
