"""What use cases need of the world: stores, a unit of work, the bytes of images, and chance."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from wakeline_events.base import Asset, Event
from wakeline_events.shapes import AnnotationSet, PredictionSet
from wakeline_geometry.shapes import Annotation, Predicted
from wakeline_labeling.domain.queues import Claim, Queue
from wakeline_labeling.domain.records import (
    Acceptance,
    Answer,
    Benchmark,
    Draft,
    Label,
    Order,
    Person,
    Prelabel,
    Project,
    Reservation,
    Slot,
    StageState,
    Task,
    Team,
)
from wakeline_labeling.domain.selection import Candidate, Coins, Stratum


class Projects(Protocol):
    """Projects and all their versions."""

    async def get(self, project_id: str) -> Project | None:
        """The project as it stands."""

    async def cached(self, project_id: str) -> Project | None:
        """The project as it stood a second ago at most: for what must not read it every time."""

    async def page(self, after: str, limit: int) -> list[Project]:
        """Projects by id, from after this one on."""

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

    async def page(
        self, project_id: str, stage_id: str | None, state: str | None, after: str, limit: int
    ) -> list[Task]:
        """Tasks of a project by id, from after this one on."""

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

    def accept(self, task_id: str, label_id: str) -> None:
        """Say that a label of the task was accepted."""

    def close(self, task_id: str) -> None:
        """Say that nobody works on the task any more."""


class Slots(Protocol):
    """The queue. What is said of time here is said by the database's clock."""

    async def get(self, slot_id: str) -> Slot | None:
        """One slot."""

    async def of_task(self, task_id: str) -> list[Slot]:
        """All slots of a task, by number."""

    async def candidates(
        self, queue: Queue, limit: int, within: Stratum | None = None
    ) -> list[Candidate]:
        """Slots that a person may lease now, in the order of the queue."""

    async def queued(self, queue: str, limit: int = 0) -> int:
        """How many slots of a queue wait, for anybody."""

    async def claim(self, claim: Claim) -> Slot | None:
        """Lease one slot: the named one, or the first of the queue; at once, in one write.

        None: there is none any more.

        Raises
        ------
        RequestRepeatedError
            If the claim's request has leased another slot already.
        SeenBeforeError
            If the person has had another slot of the same task; said to the slot too, so that
            the next claim passes it by.
        """

    async def requested(self, request: str) -> Slot | None:
        """The slot that a request has leased."""

    async def exclude_from_siblings(self, slot: Slot, person_id: str) -> None:
        """Say to the other slots of a task that this person has seen it: at once."""

    async def live(self, slot_id: str, fence: int, person_id: str) -> Slot | None:
        """The slot, if the person's lease with this fence lives."""

    async def leased_by(self, person_id: str) -> list[Slot]:
        """All slots whose lease a person holds."""

    async def extend(
        self, slot_id: str, fence: int, person_id: str, by: timedelta
    ) -> datetime | None:
        """Let a living lease last so long from now on; when it ends, or None if it is dead."""

    async def submit(self, slot_id: str, fence: int, person_id: str, *, done: bool) -> Slot | None:
        """End a living lease by its label; None if it is dead."""

    async def release(
        self, slot_id: str, fence: int, person_id: str, *, exclude: bool
    ) -> Slot | None:
        """End a living lease without a label; None if it is dead."""

    async def mark_draft(self, slot_id: str, fence: int, person_id: str) -> Slot | None:
        """Note that a living lease has a draft; None if it is dead."""

    async def expired(self, limit: int) -> list[Slot]:
        """Slots whose lease is over."""

    async def to_request(self, stage_id: str, epoch: int, limit: int) -> list[Slot]:
        """Queued slots, next ones first, that have no answer of an epoch and were not asked for."""

    async def count_fresh(self, stage_id: str, epoch: int, limit: int) -> int:
        """How many queued slots have an answer of an epoch, counted up to a limit."""

    async def tally(self, stage_id: str) -> list[Mapping[str, Any]]:
        """``state``, ``arm``, ``epoch`` and ``n`` of all slots of a stage."""

    async def count_unsuitable(self, stage_id: str, people: Collection[str]) -> int:
        """How many queued slots none of these people may lease."""

    def add(self, slot: Slot) -> None:
        """Store a new slot."""

    def replace_untouched(self, slot: Slot) -> None:
        """Store a changed slot that nobody has leased yet."""

    def remove_untouched(self, slot_id: str) -> None:
        """Remove a slot, unless somebody has leased it."""

    def answer(self, task_id: str, answer: Answer) -> None:
        """Note what predictors say of a task, unless a later epoch has spoken."""

    def unhold(self, task_id: str, seen_by: str) -> None:
        """Queue the held slots of a task for anybody but this person."""

    def expire(self, slot: Slot) -> None:
        """Put a slot whose lease is over back into its queue."""

    def reopen(
        self,
        slot_id: str,
        round: int,
        label_id: str,
        reserved: Reservation | None,
        kept_for: timedelta,
        ahead: int,
    ) -> None:
        """Queue a submitted slot of this round for the next one."""

    def finish(self, task_id: str) -> None:
        """Say that the submitted slots of a task want nothing more."""

    def note_drafts(self, slot_id: str, person_id: str) -> None:
        """Note that a person has a draft of a slot."""

    def note_requested(self, slot_ids: Collection[str], epoch: int) -> None:
        """Note that pre-labels of an epoch were asked for."""

    async def page_of_ids(self, stage_id: str, after: str, limit: int) -> list[str]:
        """Ids of a stage's slots, from after this one on."""

    def reorder(self, slot_ids: Collection[str], order: Order) -> None:
        """Give slots the rank that another order of their queue gives them."""


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

    async def of_lease(self, slot_id: str, lease_id: str) -> Label | None:
        """The label that a lease became."""

    async def page(
        self,
        project_id: str,
        stage_id: str | None,
        state: str | None,
        after: tuple[datetime, str] | None,
        limit: int,
    ) -> list[Label]:
        """Labels of a project by time, from after this position on."""

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

    def put(self, benchmark: Benchmark) -> None:
        """Store one."""


class UnitOfWork(Protocol):
    """Everything that one use case loads from, stores to and emits through."""

    now: datetime
    projects: Projects
    teams: Teams
    assets: Assets
    tasks: Tasks
    slots: Slots
    prelabels: Prelabels
    labels: Labels
    drafts: Drafts
    benchmarks: Benchmarks

    async def arm_secret(self) -> bytes:
        """The key that arms are drawn with; made once, and never leaves the database."""

    def emit(self, *events: Event) -> None:
        """Publish events if, and only if, the transaction commits."""

    def enqueue(
        self,
        kind: str,
        job_id: str,
        payload: dict[str, Any],
        *,
        priority: int = 0,
        not_before: datetime | None = None,
    ) -> None:
        """Leave work that takes longer."""

    def known(self, *names: str) -> None:
        """Say that something exists now: events that waited for it are handled."""

    async def write(self) -> None:
        """Send everything that waits to be written."""


class Shelf(Protocol):
    """Where geometry that is too large for an event lies."""

    async def shelve(self, annotations: Sequence[Annotation]) -> AnnotationSet:
        """The annotations, by value if they are small, else by reference; safe to repeat."""

    async def annotations(self, stored: AnnotationSet) -> tuple[Annotation, ...]:
        """The annotations that a set stands for."""

    async def predicted(self, stored: PredictionSet) -> tuple[Predicted, ...]:
        """The shapes that a set stands for."""


class Pixels(Protocol):
    """The bytes of images."""

    def stream(self, key: str) -> AsyncIterator[bytes]:
        """An image's or band's bytes, in chunks."""


class Desk(Protocol):
    """What one process remembers in order to be quick; forgetting it changes nothing."""

    def coins(self) -> Coins:
        """What chance decides for one pick."""

    def coin(self) -> float:
        """A number in [0, 1)."""

    def new_id(self) -> str:
        """A name that nobody has."""

    def length_of(self, queue: str) -> int | None:
        """How long a queue was a moment ago, or None if that is too long ago."""

    def note_length(self, queue: str, length: int) -> None:
        """Remember how long a queue is."""

    def leased(self, slot: Slot) -> None:
        """Remember a slot as its lease pinned it: it is the same until the lease ends."""

    def lease_of(self, lease_id: str) -> Slot | None:
        """The slot as a lease pinned it, if it is remembered."""

    def shapes_of(self, prediction_id: str) -> tuple[Predicted, ...] | None:
        """The shapes of a prediction, if they are remembered."""

    def note_shapes(self, prediction_id: str, shapes: tuple[Predicted, ...]) -> None:
        """Remember the shapes of a prediction: they never change."""


class RequestRepeatedError(Exception):
    """The request has had its effect already."""


class SeenBeforeError(Exception):
    """The person has had another slot of the same task."""
