"""Events in and out of a service: outbox, relay, marks, parking, waiting, dead events, jobs."""

from wakeline_messaging.consumer import EventConsumer
from wakeline_messaging.dead import (
    NoSuchEventError,
    NotAnEventError,
    NotNextError,
    TroubledEvents,
)
from wakeline_messaging.decided import Decision, NoSuchOperationError, Operations
from wakeline_messaging.envelope import Envelope, EventTooLargeError, UnknownMajorError
from wakeline_messaging.handlers import Handlers, Reads
from wakeline_messaging.indexes import create_indexes
from wakeline_messaging.job_rows import JobRows, JobSettledError, JobState, NoSuchJobError
from wakeline_messaging.jobs import (
    Job,
    JobHopelessError,
    JobLease,
    Jobs,
    LeaseLostError,
)
from wakeline_messaging.kafka import KafkaSettings, create_topics, topics
from wakeline_messaging.processing import Processor, Stores
from wakeline_messaging.relay import Relay, outbox_depth
from wakeline_messaging.replaying import TopicNotConsumedError
from wakeline_messaging.runner import JobRunner
from wakeline_messaging.unit_of_work import NotYetKnownError, Scope, UnitOfWork, job_row_id

__all__ = [
    "Decision",
    "Envelope",
    "EventConsumer",
    "EventTooLargeError",
    "Handlers",
    "Job",
    "JobHopelessError",
    "JobLease",
    "JobRows",
    "JobRunner",
    "JobSettledError",
    "JobState",
    "Jobs",
    "KafkaSettings",
    "LeaseLostError",
    "NoSuchEventError",
    "NoSuchJobError",
    "NoSuchOperationError",
    "NotAnEventError",
    "NotNextError",
    "NotYetKnownError",
    "Operations",
    "Processor",
    "Reads",
    "Relay",
    "Scope",
    "Stores",
    "TopicNotConsumedError",
    "TroubledEvents",
    "UnitOfWork",
    "UnknownMajorError",
    "create_indexes",
    "create_topics",
    "job_row_id",
    "outbox_depth",
    "topics",
]
