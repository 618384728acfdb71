"""What the service holds open beside its database."""

from dataclasses import dataclass

from wakeline_blobs import Blobs
from wakeline_prediction.usecases.predicting import World


@dataclass(frozen=True)
class Resources:
    """Blobs, the predictors, and how much is predicted again."""

    blobs: Blobs
    world: World
    repredicted: int
