"""Receivers that are told what happens."""

from datetime import datetime

from wakeline_sdk.shapes import Wire


class Webhook(Wire):
    """A receiver that is told what happens, and how far it is."""

    id: str
    url: str
    types: tuple[str, ...]
    """Event types; none: all."""
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


class NewWebhook(Webhook):
    """A receiver as it was just added."""

    secret: str
    """Signs what it is sent: ``wakeline_sdk.webhooks.verify`` wants it. Told this once."""


class WebhookTest(Wire):
    """What came of a test."""

    delivered: bool
    detail: str | None
    """Why it was not."""
