"""Settings of the lineage service."""

from datetime import timedelta

from pydantic import BaseModel, ConfigDict, SecretStr, model_validator

from wakeline_lineage.sealing import Seal
from wakeline_process import ServiceSettings, service_config


class WebhookSettings(BaseModel):
    """Whom the platform calls."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
    receivers: tuple[str, ...] = ()
    """``host:port`` of every receiver that a webhook may name; none: nobody is called."""
    keys: SecretStr = SecretStr("")
    """Keys that the webhooks' secrets are stored under, 32 bytes in base64 each, separated by
    commas or white space. The first one seals, all of them open."""
    patience: timedelta = timedelta(days=5)
    """A receiver that has not taken the event that is next for so long is switched off."""

    @model_validator(mode="after")
    def _can_seal(self) -> "WebhookSettings":
        self.seal()
        if self.receivers and not self.keys.get_secret_value().strip():
            raise ValueError(
                "receivers are named, and no key to store their secrets under: set WEBHOOKS__KEYS "
                "to what `openssl rand -base64 32` prints, and keep it with your backups"
            )
        return self

    def seal(self) -> Seal:
        """What closes and opens secrets."""
        return Seal(self.keys.get_secret_value())


class Settings(ServiceSettings):
    """Read once at start: ``WAKELINE_LINEAGE_MONGO__DSN`` etc."""

    model_config = service_config("lineage")
    webhooks: WebhookSettings = WebhookSettings()
