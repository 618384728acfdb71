"""Which event causes which use case."""

from wakeline_events.labeling import BenchmarkSet, LabelCompleted, ProjectConfigured
from wakeline_messaging import Handlers
from wakeline_review.ports import ReviewUnitOfWork
from wakeline_review.usecases import learning, sorting

handlers = Handlers()


@handlers.on(ProjectConfigured)
async def on_project_configured(event: ProjectConfigured, uow: ReviewUnitOfWork) -> None:
    await learning.learn_project(uow, event)


@handlers.on(BenchmarkSet)
async def on_benchmark_set(event: BenchmarkSet, uow: ReviewUnitOfWork) -> None:
    await learning.learn_benchmark(uow, event)


@handlers.on(LabelCompleted)
async def on_label_completed(event: LabelCompleted, uow: ReviewUnitOfWork) -> None:
    await sorting.open_review(uow, event)
