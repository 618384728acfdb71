"""Which event causes which use case."""

from wakeline_events.ingest import AssetRestored, AssetWithdrawn
from wakeline_events.labeling import (
    BenchmarkSet,
    LabelCompleted,
    ProjectConfigured,
    TaskClosed,
    TeamConfigured,
)
from wakeline_messaging import Handlers, Reads
from wakeline_review.domain.records import benchmark_id
from wakeline_review.ports import ReviewUnitOfWork
from wakeline_review.usecases import comparing, learning, sorting, withdrawing

handlers = Handlers()


@handlers.on(AssetWithdrawn)
async def on_asset_withdrawn(event: AssetWithdrawn, uow: ReviewUnitOfWork) -> None:
    withdrawing.withdraw(uow, event.asset_id)


@handlers.on(AssetRestored)
async def on_asset_restored(event: AssetRestored, uow: ReviewUnitOfWork) -> None:
    withdrawing.restore(uow, event.asset_id)


@handlers.on(ProjectConfigured)
async def on_project_configured(event: ProjectConfigured, uow: ReviewUnitOfWork) -> None:
    await learning.learn_project(uow, event)


@handlers.on(TeamConfigured)
async def on_team_configured(event: TeamConfigured, uow: ReviewUnitOfWork) -> None:
    await learning.learn_team(uow, event)


@handlers.on(BenchmarkSet)
async def on_benchmark_set(event: BenchmarkSet, uow: ReviewUnitOfWork) -> None:
    await learning.learn_benchmark(uow, event)


def _labeled(event: LabelCompleted) -> Reads:
    benchmark = benchmark_id(event.stage_id, event.asset_id)
    return {
        "projects": {event.project_id},
        "benchmarks": {benchmark},
        "reviews": {event.label_id},
        "withdrawals": {event.asset_id},
    }


@handlers.on(LabelCompleted, reads=_labeled)
async def on_label_completed(event: LabelCompleted, uow: ReviewUnitOfWork) -> None:
    await sorting.open_review(uow, event)


@handlers.on(TaskClosed)
async def on_task_closed(event: TaskClosed, uow: ReviewUnitOfWork) -> None:
    if event.reason == "cancelled":
        await comparing.drop(uow, event)
