"""Takes in what other services say of projects and trusted labels."""

from wakeline_events.labeling import BenchmarkSet, ProjectConfigured, TeamConfigured
from wakeline_review.ports import ReviewUnitOfWork
from wakeline_review.usecases.finding import after_those_that_wait


async def learn_project(uow: ReviewUnitOfWork, event: ProjectConfigured) -> None:
    """Keep the latest configuration of a project, and the last policy of each stage it lost."""
    before = await uow.projects.get(event.project_id)
    there = {stage.name for stage in event.document.stages}
    gone = [stage for stage in before.stages if stage.name not in there] if before else []
    uow.projects.put(event.project_id, event.version, event.document, gone)
    uow.known(f"project:{event.project_id}")


async def learn_benchmark(uow: ReviewUnitOfWork, event: BenchmarkSet) -> None:
    """Keep a trusted label, to score people with.

    Raises
    ------
    NotYetKnownError
        If the project's configuration has not arrived, or a label of the asset waits for it.
    """
    await after_those_that_wait(uow, event.project_id)
    uow.benchmarks.put(event.stage_id, event.asset_id, event.truth)


async def learn_team(uow: ReviewUnitOfWork, event: TeamConfigured) -> None:
    """Keep what an hour of a team costs, and who is in it."""
    uow.teams.put(event)
