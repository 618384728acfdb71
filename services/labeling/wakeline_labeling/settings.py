"""Settings of the labeling service, read once at start: ``WAKELINE_LABELING_MONGO__DSN`` etc."""

from wakeline_process import ServiceSettings, service_config


class Settings(ServiceSettings):
    """What every service must know; this one needs no more."""

    model_config = service_config("labeling")
