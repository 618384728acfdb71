"""Routes of training runs."""

from fastapi import Response

from wakeline_http import Page, Router, problems
from wakeline_training.api.dependencies import (
    Listed,
    ReadsModels,
    TrainingCommand,
    TrainingReader,
    TrainingResources,
    TrainsModels,
)
from wakeline_training.api.models import RunIn, RunOut
from wakeline_training.archive import DATASETS
from wakeline_training.domain.run import RunActiveError, RunEndedError, UnknownRunError, log_key
from wakeline_training.domain.stage import TrainingNotConfiguredError, UnknownStageError
from wakeline_training.store.unit_of_work import MongoTrainingUnitOfWork
from wakeline_training.usecases import asking

router = Router(prefix="/v1/runs", tags=["runs"])


@router.post(
    "",
    status_code=201,
    responses=problems(UnknownStageError, TrainingNotConfiguredError, RunActiveError),
)
async def start_run(asked: RunIn, person: TrainsModels, command: TrainingCommand) -> RunOut:
    """Freeze what is labeled now and train a stage's model on it."""

    async def start(uow: MongoTrainingUnitOfWork) -> RunOut:
        stage_id = f"{asked.project}/{asked.stage}"
        return RunOut.of(
            await asking.start(uow, stage_id, person.person_id, dict(asked.parameters))
        )

    return await command.run(start, RunOut)


@router.get("")
async def list_runs(listing: Listed, _: ReadsModels, uow: TrainingReader) -> Page[RunOut]:
    """Runs, newest first."""
    runs = await uow.runs.page(listing.filter, listing.after, listing.limit)
    return Page(items=[RunOut.of(run) for run in runs], next=listing.next(runs, "run_id"))


@router.get("/{run_id}", responses=problems(UnknownRunError))
async def get_run(run_id: str, _: ReadsModels, uow: TrainingReader) -> RunOut:
    """A run with its progress, its metrics and the gate's verdict."""
    run = await asking.run_of(uow, run_id)
    model = await uow.models.get(run.model_version) if run.model_version else None
    return RunOut.of(run, model.gate if model else None)


@router.get("/{run_id}/log", responses=problems(UnknownRunError))
async def get_log(
    run_id: str,
    _: TrainsModels,
    uow: TrainingReader,
    resources: TrainingResources,
    attempt: int | None = None,
) -> Response:
    """What the trainer of an attempt said; of the current attempt if none is named."""
    run = await asking.run_of(uow, run_id)
    key = log_key(run.run_id, run.attempt if attempt is None else attempt)
    return Response(await resources.blobs.get(DATASETS, key), media_type="text/plain")


@router.post("/{run_id}/cancel", responses=problems(UnknownRunError, RunEndedError))
async def cancel_run(run_id: str, _: TrainsModels, command: TrainingCommand) -> RunOut:
    """End a run; its trainer is stopped within seconds."""

    async def cancel(uow: MongoTrainingUnitOfWork) -> RunOut:
        return RunOut.of(await asking.cancel(uow, run_id))

    return await command.run(cancel, RunOut)
