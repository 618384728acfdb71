"""How far the work of a stage is: counts for people, not for decisions."""

from collections import Counter
from typing import NamedTuple

from wakeline_labeling.domain.records import Stage, StageState
from wakeline_labeling.ports import UnitOfWork

LABELER = "labeler"


class Status(NamedTuple):
    """The slots of a stage, counted."""

    states: Counter[str]
    """Of ordinary slots; benchmark slots are never used up and stand apart."""
    arms: dict[str, Counter[str]]
    """Arm -> state -> slots."""
    epochs: Counter[int]
    """Serving epoch of the pre-label -> queued slots; -1: none has come."""
    stage: StageState
    waits_for_others: int
    """Queued slots that none of the team's labelers may take: they saw the task already."""
    paired: bool


async def status_of(uow: UnitOfWork, stage: Stage) -> Status:
    """Count the slots of a stage."""
    states: Counter[str] = Counter()
    epochs: Counter[int] = Counter()
    arms: dict[str, Counter[str]] = {}
    for row in await uow.slots.tally(stage.id):
        arms.setdefault(row["arm"], Counter())[row["state"]] += row["n"]
        if row["arm"] == "benchmark":
            continue
        states[row["state"]] += row["n"]
        if row["state"] == "queued":
            epochs[row["epoch"]] += row["n"]
    members = await uow.teams.members(stage.policy.team)
    labelers = [person.id for person in members if LABELER in person.roles]
    blocked = await uow.slots.count_unsuitable(stage.id, labelers) if labelers else 0
    state = await uow.projects.stage_state(stage.id) or StageState(id=stage.id)
    return Status(states, arms, epochs, state, blocked, state.paired)
