"""Where an error meets an HTTP status."""

from wakeline_blobs import BlobMissingError
from wakeline_labeling.domain import errors

STATUS: dict[type[Exception], int] = {
    errors.NoSuchProjectError: 404,
    errors.NoSuchStageError: 404,
    errors.NoSuchTeamError: 404,
    errors.NoSuchPersonError: 404,
    errors.NoSuchLeaseError: 404,
    errors.NoSuchActionError: 404,
    errors.NoSuchExamError: 404,
    errors.NoSuchBandError: 404,
    errors.NoTaskAvailableError: 404,
    errors.NotAMemberError: 403,
    errors.ExamFailedError: 403,
    errors.SuspendedError: 403,
    errors.TooManyLeasesError: 409,
    errors.TooManyRequestsError: 429,
    errors.LeaseEndedError: 409,
    errors.LeaseExpiredError: 409,
    errors.FenceOutdatedError: 409,
    errors.AlreadySubmittedError: 409,
    errors.OrphansLabelsError: 409,
    errors.InvalidProjectError: 422,
    errors.InvalidAnnotationsError: 422,
    errors.InvalidActionError: 422,
    BlobMissingError: 404,
}
