"""What a process says about itself: structured logs, traces, metrics, and the correlation id."""

from wakeline_telemetry import correlation, metrics, tracing
from wakeline_telemetry.logs import configure_logging
from wakeline_telemetry.settings import TelemetrySettings

__all__ = ["TelemetrySettings", "configure_logging", "correlation", "metrics", "tracing"]
