"""Asking for runs, by enough labels or by a person, and calling them off."""

from typing import Any, Literal

from wakeline_events.base import PersonId, StageId
from wakeline_events.training import TrainingFailed
from wakeline_training.domain.run import (
    Failure,
    Run,
    RunActiveError,
    RunEndedError,
    UnknownRunError,
    run_id_of,
)
from wakeline_training.domain.stage import Stage, UnknownStageError
from wakeline_training.ports import TrainingUnitOfWork


async def stage_of(uow: TrainingUnitOfWork, stage_id: StageId) -> Stage:
    """A configured stage.

    Raises
    ------
    UnknownStageError
        If there is none of this name, or its configuration has not arrived yet.
    """
    stage = await uow.stages.get(stage_id)
    if stage is None:
        raise UnknownStageError(f"there is no stage {stage_id}")
    return stage


async def run_of(uow: TrainingUnitOfWork, run_id: str) -> Run:
    """A run.

    Raises
    ------
    UnknownRunError
        If there is none of this name.
    """
    run = await uow.runs.get(run_id)
    if run is None:
        raise UnknownRunError(f"there is no run {run_id}")
    return run


def start_if_due(uow: TrainingUnitOfWork, stage: Stage) -> None:
    """Start a run when enough labels came since the last one."""
    if stage.is_due:
        _start(uow, stage, "labels")


async def start(
    uow: TrainingUnitOfWork, stage_id: StageId, person: PersonId, parameters: dict[str, Any]
) -> Run:
    """Start a run because a person wants it.

    Raises
    ------
    UnknownStageError, TrainingNotConfiguredError
        If the stage cannot be trained.
    RunActiveError
        If it is being trained.
    """
    stage = await stage_of(uow, stage_id)
    if stage.active_run is not None:
        raise RunActiveError(stage.active_run)
    _ = stage.training
    return _start(uow, stage, "person", requested_by=person, parameters=parameters)


async def cancel(uow: TrainingUnitOfWork, run_id: str) -> Run:
    """Call a run off: it ends at once, its trainer within seconds.

    Raises
    ------
    UnknownRunError, RunEndedError
        If there is nothing to cancel.
    """
    run = await run_of(uow, run_id)
    if not run.active:
        raise RunEndedError(f"run {run_id} has ended: {run.state}")
    return await give_up(uow, run, Failure(code="cancelled"))


async def give_up(uow: TrainingUnitOfWork, run: Run, failure: Failure) -> Run:
    """End a run without a model. What went wrong in words stays here; the event says its code."""
    ended = run.ended("cancelled" if failure.code == "cancelled" else "failed", uow.now, failure)
    uow.runs.put(ended)
    uow.emit(
        TrainingFailed(
            stage_id=run.stage_id, run_id=run.run_id, attempt=run.attempt, reason=failure.code
        )
    )
    await release(uow, run)
    return ended


async def release(uow: TrainingUnitOfWork, run: Run) -> None:
    """Let the stage's next run begin, if its labels are there already."""
    stage = (await stage_of(uow, run.stage_id)).without_run()
    uow.stages.put(stage)
    start_if_due(uow, stage)


def _start(
    uow: TrainingUnitOfWork,
    stage: Stage,
    cause: Literal["labels", "person"],
    *,
    requested_by: PersonId | None = None,
    parameters: dict[str, Any] | None = None,
) -> Run:
    number = stage.runs + 1
    run = Run(
        run_id=run_id_of(stage.stage_id, number),
        stage_id=stage.stage_id,
        project_id=stage.project_id,
        number=number,
        cause=cause,
        requested_by=requested_by,
        parameters=parameters or {},
        created_at=uow.now,
    )
    uow.runs.put(run)
    uow.stages.put(stage.with_run(run.run_id))
    uow.enqueue("freeze", run.run_id, {"run_id": run.run_id})
    return run
