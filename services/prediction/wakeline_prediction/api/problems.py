"""Where an error of prediction meets an HTTP status."""

from wakeline_blobs import BlobCorruptError, BlobMissingError
from wakeline_prediction.domain.errors import (
    NoSuchStageError,
    NothingAskedForError,
    PredictorNotListedError,
)

STATUS: dict[type[Exception], int] = {
    NoSuchStageError: 404,
    PredictorNotListedError: 409,
    NothingAskedForError: 422,
    BlobMissingError: 500,
    BlobCorruptError: 500,
}
