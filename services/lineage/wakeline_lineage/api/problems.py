"""Where an error of lineage meets an HTTP status."""

from wakeline_lineage.domain import errors
from wakeline_lineage.sealing import SealedSecretError

STATUS: dict[type[Exception], int] = {
    errors.UnknownNodeError: 404,
    errors.AmbiguousNodeError: 409,
    errors.UnknownEventTypeError: 422,
    errors.ReceiverNotAllowedError: 422,
    errors.UnknownWebhookError: 404,
    errors.TooManyWebhooksError: 409,
    SealedSecretError: 409,
}
