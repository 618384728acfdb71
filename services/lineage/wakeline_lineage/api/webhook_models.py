"""What goes in and out of the routes of webhooks."""

from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, BeforeValidator, Field

from wakeline_events.strict import Strict
from wakeline_lineage.domain.webhooks import Webhook

EventTypes = Annotated[list[str], Field(max_length=100)]


class WebhookIn(Strict):
    """A receiver, and what it wants to be told."""

    url: Annotated[str, Field(min_length=1, max_length=2_000)]
    types: EventTypes = []
    """Event types; none: all."""
    after: Annotated[int, Field(ge=0, le=2**53)] | None = None
    """Everything behind this position is sent; none: what happens from now on."""


class WebhookChange(Strict):
    """What is to change; what is left out stays."""

    enabled: bool | None = None
    types: EventTypes | None = None


def _text(value: object) -> object:
    """A time is written as text: a number is a position, and never seconds since 1970."""
    if not isinstance(value, str | datetime):
        raise ValueError("a time is written as text, with its zone")
    return value


class ReplayIn(Strict):
    """Where a receiver is told again from."""

    start: Annotated[
        Annotated[int, Field(ge=1, le=2**53, strict=True)]
        | Annotated[AwareDatetime, BeforeValidator(_text)],
        Field(alias="from"),
    ]
    """The position of the first event that is sent again, or a time with its zone."""


class WebhookOut(BaseModel):
    """A receiver, and how far it is."""

    id: str
    url: str
    types: list[str]
    enabled: bool
    position: int
    """Everything up to here is delivered, or was not wanted."""
    lag: int
    """Events that are still to be delivered; 10,000 stands for that many or more."""
    failures: int
    """Tries in a row that failed."""
    last_error: str | None
    last_tried_at: datetime | None
    delivered_at: datetime | None
    next_try: datetime | None
    created_at: datetime

    @classmethod
    def of(cls, webhook: Webhook, lag: int) -> "WebhookOut":
        """A receiver without its secret."""
        return cls(
            id=webhook.id,
            url=webhook.url,
            types=list(webhook.types),
            enabled=webhook.enabled,
            position=webhook.cursor,
            lag=lag,
            failures=webhook.failures,
            last_error=webhook.last_error,
            last_tried_at=webhook.last_tried_at,
            delivered_at=webhook.delivered_at,
            next_try=webhook.next_try,
            created_at=webhook.created_at,
        )


class WebhookCreated(WebhookOut):
    """A new receiver."""

    secret: str
    """Signs what it is sent; told this once."""


class Resealed(BaseModel):
    """What came of putting secrets under the first key."""

    resealed: int
    """Secrets that were not under it."""


class WebhookTested(BaseModel):
    """What came of a test."""

    delivered: bool
    detail: str | None
    """Why it was not."""
