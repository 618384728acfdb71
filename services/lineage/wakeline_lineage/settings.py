"""Settings of the lineage service."""

from wakeline_process import ServiceSettings, service_config


class Settings(ServiceSettings):
    """Read once at start: ``WAKELINE_LINEAGE_MONGO__DSN`` etc."""

    model_config = service_config("lineage")
