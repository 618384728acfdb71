"""The only place that builds what the review service works with."""

from wakeline_process import Service
from wakeline_review.api import routes, statistics
from wakeline_review.api.problems import STATUS
from wakeline_review.handlers import handlers
from wakeline_review.jobs import jobs
from wakeline_review.migrations import MIGRATIONS
from wakeline_review.resources import Resources, open_resources
from wakeline_review.settings import Settings
from wakeline_review.store.unit_of_work import MongoReviewUnitOfWork
from wakeline_review.usecases import republishing


def service(settings: Settings | None = None) -> Service[MongoReviewUnitOfWork, Resources]:
    """The review service, ready to run as any kind of process."""
    settings = settings or Settings()
    return Service(
        name="review",
        settings=settings,
        unit_of_work=MongoReviewUnitOfWork,
        resources=lambda: open_resources(settings.blobs),
        migrations=MIGRATIONS,
        routers=(*routes.routers, statistics.router),
        problems=STATUS,
        handlers=handlers,
        jobs=jobs,
        states=republishing.STATES,
        checks=lambda resources: {"blobs": resources.blobs.check},
    )
