"""What only lineage measures."""

from prometheus_client import Gauge

webhook_held_seconds = Gauge(
    "wakeline_webhook_held_seconds",
    "Time since a receiver has not taken the event that is next.",
    ["webhook"],
)
