"""Settings of the lineage service."""

from datetime import timedelta

from pydantic import BaseModel, ConfigDict

from wakeline_process import ServiceSettings, service_config


class WebhookSettings(BaseModel):
    """Whom the platform calls."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    receivers: tuple[str, ...] = ()
    """``host:port`` of every receiver that a webhook may name; none: nobody is called."""
    patience: timedelta = timedelta(days=5)
    """A receiver that has not taken the event that is next for so long is switched off."""


class Settings(ServiceSettings):
    """Read once at start: ``WAKELINE_LINEAGE_MONGO__DSN`` etc."""

    model_config = service_config("lineage")
    webhooks: WebhookSettings = WebhookSettings()
