"""The one place where the prediction service's clients are built."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import cv2

from wakeline_blobs import Blobs
from wakeline_prediction.api import routes
from wakeline_prediction.api.problems import STATUS
from wakeline_prediction.archive import BlobArchive
from wakeline_prediction.handlers import handlers
from wakeline_prediction.jobs import jobs
from wakeline_prediction.migrations import MIGRATIONS
from wakeline_prediction.predictors.registry import RULES, predictors
from wakeline_prediction.resources import Resources
from wakeline_prediction.settings import Settings
from wakeline_prediction.store.unit_of_work import MongoPredictionUnitOfWork
from wakeline_prediction.usecases.predicting import World
from wakeline_process import Service


def service(settings: Settings | None = None) -> Service[MongoPredictionUnitOfWork, Resources]:
    """Build the service from its settings, or from those of the environment."""
    chosen = settings or Settings()
    return Service(
        name="prediction",
        settings=chosen,
        unit_of_work=MongoPredictionUnitOfWork,
        resources=lambda: open_resources(chosen),
        migrations=MIGRATIONS,
        routers=(routes.router,),
        problems=STATUS,
        handlers=handlers,
        jobs=jobs,
        checks=lambda resources: {"blobs": resources.blobs.check},
    )


@asynccontextmanager
async def open_resources(settings: Settings) -> AsyncIterator[Resources]:
    """Open what the service needs beside its database, and close it at the end."""
    cv2.setNumThreads(1)  # images are predicted side by side already
    async with Blobs(settings.blobs) as blobs:
        archive = BlobArchive(blobs)
        adapters = predictors(
            archive, blobs, models=settings.models_in_memory, threads=settings.threads
        )
        yield Resources(blobs, World(archive, adapters, RULES), settings.repredicted)
