"""Every Prometheus metric of the platform, declared once.

A process serves one service, so no metric carries a service label: the scrape target says it.
"""

from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_JOB_SECONDS = (0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 14_400)

CONTENT_TYPE = CONTENT_TYPE_LATEST
"""Media type of ``exposition()``."""

consumer_lag = Gauge(
    "wakeline_consumer_lag",
    "Events of a partition that this consumer has not taken in yet.",
    ["topic", "partition"],
)
consumer_waits = Gauge(
    "wakeline_consumer_waits",
    "1 while this consumer takes nothing in, by cause: store, broker or newer-release.",
    ["cause"],
)
consumer_silent_seconds = Gauge(
    "wakeline_consumer_silent_seconds",
    "Time since this consumer last came back to Kafka for more events.",
)
consumer_partitions = Gauge(
    "wakeline_consumer_partitions", "Partitions that this consumer's group has given to it."
)
ready = Gauge(
    "wakeline_ready", "1 if a check of /health/ready passed when last looked at, else 0.", ["check"]
)
outbox_rows = Gauge("wakeline_outbox_rows", "Outbox rows that are not published yet.")
outbox_oldest_seconds = Gauge(
    "wakeline_outbox_oldest_seconds", "Age of the oldest unpublished outbox row."
)
parked_events = Gauge("wakeline_parked_events", "Events that wait for an earlier one of their key.")
parked_oldest_seconds = Gauge("wakeline_parked_oldest_seconds", "Age of the oldest parked event.")
waiting_events = Gauge("wakeline_waiting_events", "Events that name something not yet known here.")
waiting_oldest_seconds = Gauge(
    "wakeline_waiting_oldest_seconds", "Age of the oldest waiting event."
)
dead_events = Gauge("wakeline_dead_events", "Events that were given up, with their cause.")
dead_oldest_seconds = Gauge("wakeline_dead_oldest_seconds", "Age of the oldest dead event.")
handler_seconds = Histogram(
    "wakeline_handler_seconds",
    "Time that a handler took for one event.",
    ["event"],
    buckets=_SECONDS,
)
handled_events_total = Counter(
    "wakeline_handled_events_total",
    "Events taken in, by outcome: handled, duplicate, parked, waiting or dead.",
    ["event", "outcome"],
)
relayed_events_total = Counter("wakeline_relayed_events_total", "Outbox rows sent to Kafka.")
jobs = Gauge("wakeline_jobs", "Jobs by kind and state.", ["kind", "state"])
job_oldest_seconds = Gauge(
    "wakeline_job_oldest_seconds",
    "Time since the oldest job of a kind and state was to be done.",
    ["kind", "state"],
)
job_failures_total = Counter(
    "wakeline_job_failures_total",
    "Attempts of jobs that ended in an error, by outcome: retried or given-up.",
    ["kind", "outcome"],
)
job_seconds = Histogram(
    "wakeline_job_seconds", "Time that an attempt of a job took.", ["kind"], buckets=_JOB_SECONDS
)
http_seconds = Histogram(
    "wakeline_http_seconds",
    "Time from a request's arrival to the last byte of its response.",
    ["method", "route", "status"],
    buckets=_SECONDS,
)


def exposition() -> bytes:
    """Return every metric of this process in Prometheus' text format (``CONTENT_TYPE``)."""
    return generate_latest()
