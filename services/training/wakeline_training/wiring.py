"""The training service as one object: the only place that builds clients."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from wakeline_blobs import Blobs, BlobSettings
from wakeline_process import Service
from wakeline_process.scratch import own_folder
from wakeline_training.api import ROUTERS
from wakeline_training.api.problems import STATUS
from wakeline_training.archive import DATASETS, BlobArchive
from wakeline_training.handlers import handlers
from wakeline_training.jobs import jobs
from wakeline_training.launching.process import ProcessLauncher
from wakeline_training.migrations import MIGRATIONS
from wakeline_training.ports import Launcher
from wakeline_training.resources import Resources
from wakeline_training.settings import JobLaunch, Settings, TrainerSettings
from wakeline_training.store.unit_of_work import MongoTrainingUnitOfWork
from wakeline_training.usecases import republishing


def service(settings: Settings | None = None) -> Service[MongoTrainingUnitOfWork, Resources]:
    """The service with these settings, or with those of the environment."""
    chosen = settings or Settings()

    @asynccontextmanager
    async def resources() -> AsyncIterator[Resources]:
        with own_folder("wakeline-training-") as scratch:
            async with Blobs(chosen.blobs) as blobs:
                yield Resources(
                    blobs=blobs,
                    archive=BlobArchive(blobs, chosen.blobs),
                    scratch=scratch,
                    launcher=launcher_of(chosen.trainer, scratch),
                    trainer=chosen.trainer,
                    trainer_store=trainer_store(chosen.blobs),
                    gate_wait=chosen.gate_wait,
                )

    return Service(
        name="training",
        settings=chosen,
        unit_of_work=MongoTrainingUnitOfWork,
        resources=resources,
        migrations=MIGRATIONS,
        routers=ROUTERS,
        problems=STATUS,
        handlers=handlers,
        jobs=jobs,
        states=republishing.STATES,
        checks=checks,
        rights=rights if isinstance(chosen.trainer.launch, JobLaunch) else None,
    )


def checks(resources: Resources) -> Mapping[str, Callable[[], Awaitable[object]]]:
    """What has to answer before this service is ready."""
    return {"blobs": lambda: resources.blobs.check(DATASETS)}


def rights(resources: Resources) -> Mapping[str, Callable[[], Awaitable[Sequence[str]]]]:
    """What ``check`` asks where trainers are Jobs."""
    from wakeline_training.launching.jobs import JobLauncher

    assert isinstance(resources.launcher, JobLauncher)
    return {"kubernetes": resources.launcher.lacking}


def launcher_of(settings: TrainerSettings, scratch: Path) -> Launcher:
    """What the settings choose to run trainers with."""
    if isinstance(settings.launch, JobLaunch):
        from wakeline_training.launching.jobs import JobLauncher  # memory that few processes need

        return JobLauncher(settings, settings.launch)
    return ProcessLauncher(settings, scratch)


def trainer_store(blobs: BlobSettings) -> dict[str, str]:
    """The store's part of the trainer contract's environment."""
    store = {
        "WAKELINE_S3__ENDPOINT": blobs.endpoint,
        "WAKELINE_S3__ACCESS_KEY": blobs.access_key,
        "WAKELINE_S3__SECRET_KEY": blobs.secret_key.get_secret_value(),
        "WAKELINE_S3__SECURE": "true" if blobs.secure else "false",
        "WAKELINE_S3__REGION": blobs.region,
    }
    if blobs.ca_file is not None:
        store["WAKELINE_S3__CA_FILE"] = str(blobs.ca_file.absolute())
    if blobs.path_style is not None:
        store["WAKELINE_S3__PATH_STYLE"] = str(blobs.path_style).lower()
    return store
