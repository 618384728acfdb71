"""Where a process sends its traces, and how it writes its logs."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict


class TelemetrySettings(BaseModel):
    """Telemetry of one process. By default nothing leaves it but log lines on stderr."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    otlp_endpoint: str | None = None
    """Base URL of an OTLP/HTTP collector, for example ``http://collector:4318``."""
    spans_file: Path | None = None
    """File that gets one JSON line for each finished span; used where there is no collector."""
    log_json: bool = True
    """One JSON object a line for machines, or aligned text for people."""
