"""Where an error of review meets an HTTP status."""

from wakeline_blobs import BlobMissingError
from wakeline_review.domain import errors

STATUS: dict[type[Exception], int] = {
    errors.NoReviewAvailableError: 404,
    errors.NoSuchReviewError: 404,
    errors.NoSuchLeaseError: 404,
    errors.UnknownStageError: 404,
    errors.NotOnTeamError: 403,
    errors.OwnLabelError: 403,
    errors.ReviewLeaseExpiredError: 409,
    errors.AlreadyJudgedError: 409,
    errors.LastRoundError: 409,
    errors.NotAcceptedError: 409,
    errors.InvalidAnnotationsError: 422,
    BlobMissingError: 404,
    errors.InvalidVerdictError: 422,
    errors.TooManyDaysError: 422,
}
