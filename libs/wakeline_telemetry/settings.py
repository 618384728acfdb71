"""Where a process sends its traces, and how it writes its logs."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class TelemetrySettings(BaseModel):
    """Telemetry of one process. By default nothing leaves it but log lines on stderr."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    otlp_endpoint: str | None = None
    """Base URL of an OTLP/HTTP collector, for example ``http://collector:4318``."""
    spans_file: Path | None = None
    """File that gets one JSON line for each finished span; used where there is no collector."""
    sample: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Share of traces that are recorded, each of them whole in every service that it passes."""
    trace_commands: bool = True
    """Whether each command to MongoDB has a span of its own."""
    log_json: bool = True
    """One JSON object a line for machines, or aligned text for people."""
