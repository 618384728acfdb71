"""Which class reads which event type, and on which topic it travels."""

from collections.abc import Mapping
from types import MappingProxyType

from wakeline_events import ingest, labeling, prediction, review, training
from wakeline_events.base import Event, ServiceName

EVENT_CLASSES: tuple[type[Event], ...] = (
    ingest.AssetIngested,
    ingest.AssetWithdrawn,
    ingest.AssetRestored,
    labeling.ProjectConfigured,
    labeling.TeamConfigured,
    labeling.BenchmarkSet,
    labeling.TaskOpened,
    labeling.TaskClosed,
    labeling.PredictionRequested,
    labeling.LeaseEnded,
    labeling.LabelCompleted,
    prediction.PredictionCompleted,
    prediction.PredictionFailed,
    review.LabelAccepted,
    review.LabelRejected,
    review.LabelSuperseded,
    training.DatasetFrozen,
    training.TrainingStarted,
    training.TrainingFailed,
    training.ModelTrained,
    training.ModelPublished,
    training.ModelRetired,
)
BY_TYPE: Mapping[str, type[Event]] = MappingProxyType({c.TYPE: c for c in EVENT_CLASSES})

PRODUCERS: frozenset[ServiceName] = frozenset(c.PRODUCER for c in EVENT_CLASSES)
"""The services that publish anything; each has a topic and a relay."""


def topic_of(producer: ServiceName, prefix: str = "wakeline") -> str:
    """The one topic that a service publishes on."""
    return f"{prefix}.{producer}"


def schema_name(event: type[Event]) -> str:
    """What ``ce_dataschema`` carries: the path of the frozen schema within ``schemas/``."""
    return f"events/{event.TYPE}/{event.VERSION}.json"
