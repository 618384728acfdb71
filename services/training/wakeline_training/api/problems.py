"""Where an error of this service meets an HTTP status."""

from wakeline_blobs import BlobMissingError, BlobStoreUnavailableError
from wakeline_training.domain.models import (
    ModelBlockedError,
    UnknownDatasetVersionError,
    UnknownModelError,
)
from wakeline_training.domain.run import RunActiveError, RunEndedError, UnknownRunError
from wakeline_training.domain.stage import (
    AlreadyServesError,
    NothingServesError,
    TrainingNotConfiguredError,
    UnknownStageError,
)

STATUS: dict[type[Exception], int] = {
    UnknownStageError: 404,
    UnknownRunError: 404,
    UnknownModelError: 404,
    UnknownDatasetVersionError: 404,
    BlobMissingError: 404,
    BlobStoreUnavailableError: 503,
    TrainingNotConfiguredError: 409,
    RunActiveError: 409,
    RunEndedError: 409,
    NothingServesError: 409,
    AlreadyServesError: 409,
    ModelBlockedError: 409,
}
