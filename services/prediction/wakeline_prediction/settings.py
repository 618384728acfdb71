"""Settings of the prediction service."""

from typing import Annotated

from pydantic import Field

from wakeline_process import ServiceSettings, service_config


class Settings(ServiceSettings):
    """Settings of the prediction service, read at start: ``WAKELINE_PREDICTION_MONGO__DSN`` etc."""

    model_config = service_config("prediction")
    models_in_memory: Annotated[int, Field(ge=1, le=64)] = 4
    """Of all stages together; one that is not in memory is read from the registry again."""
    threads: Annotated[int, Field(ge=1, le=64)] = 1
    """That one model runs on."""
    repredicted: Annotated[int, Field(ge=0)] = 2_000
    """Open targets of a stage that are predicted again when something else serves it."""
