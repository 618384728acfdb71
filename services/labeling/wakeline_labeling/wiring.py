"""Builds the service: the only place that makes clients."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

from wakeline_blobs import Blobs
from wakeline_labeling.api import (
    batches,
    exams,
    imports,
    leases,
    people,
    projects,
    records,
    steering,
)
from wakeline_labeling.api.problems import STATUS
from wakeline_labeling.handlers import handlers
from wakeline_labeling.jobs import jobs
from wakeline_labeling.migrations import MIGRATIONS
from wakeline_labeling.resources import BlobPixels, BlobShelf, LocalDesk, Resources
from wakeline_labeling.settings import Settings
from wakeline_labeling.store.projects import ProjectCache
from wakeline_labeling.store.unit_of_work import LabelingUnitOfWork
from wakeline_labeling.usecases import republishing
from wakeline_process import Service


def service(settings: Settings | None = None) -> Service[LabelingUnitOfWork, Resources]:
    """The labeling service, with settings from the environment unless they are given."""
    chosen = settings or Settings()

    @asynccontextmanager
    async def resources() -> AsyncIterator[Resources]:
        async with Blobs(chosen.blobs) as blobs:
            yield Resources(blobs, BlobShelf(blobs), BlobPixels(blobs), LocalDesk(), ProjectCache())

    return Service(
        name="labeling",
        settings=chosen,
        unit_of_work=LabelingUnitOfWork,
        resources=resources,
        migrations=MIGRATIONS,
        routers=(
            steering.router,
            projects.router,
            exams.router,
            people.router,
            batches.router,
            leases.router,
            records.router,
            imports.router,
        ),
        problems=STATUS,
        handlers=handlers,
        jobs=jobs,
        states=republishing.STATES,
        checks=_checks,
    )


def _checks(resources: Resources) -> Mapping[str, Callable[[], Awaitable[object]]]:
    return {"blobs": resources.blobs.check}
