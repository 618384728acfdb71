"""The only place that builds what the lineage service works with."""

from wakeline_lineage.api import routers
from wakeline_lineage.api.problems import STATUS
from wakeline_lineage.handlers import handlers
from wakeline_lineage.jobs import jobs
from wakeline_lineage.migrations import MIGRATIONS
from wakeline_lineage.resources import Resources, open_resources
from wakeline_lineage.settings import Settings
from wakeline_lineage.store.unit_of_work import MongoLineageUnitOfWork
from wakeline_lineage.usecases import notifying
from wakeline_process import Service


def service(settings: Settings | None = None) -> Service[MongoLineageUnitOfWork, Resources]:
    """The lineage service, ready to run as any kind of process."""
    settings = settings or Settings()
    return Service(
        name="lineage",
        settings=settings,
        unit_of_work=MongoLineageUnitOfWork,
        resources=lambda: open_resources(settings),
        migrations=MIGRATIONS,
        routers=routers,
        problems=STATUS,
        handlers=handlers,
        jobs=jobs,
        gauges=notifying.measure,
        checks=lambda resources: {"blobs": lambda: resources.blobs.check("datasets")},
    )
