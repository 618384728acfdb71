"""What the service offers over HTTP."""

from wakeline_training.api import dataset_versions, model_versions, runs

ROUTERS = (runs.router, model_versions.router, dataset_versions.router)
