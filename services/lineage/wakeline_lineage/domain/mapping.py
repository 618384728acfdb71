"""What each event adds to the provenance graph: one function an event type.

Every link leads from what had a part in something to what came of it. Stages and persons are
linked to what was done for or by them, never the other way round: a model that serves a stage is
no cause of everything that the stage does, or every image would have a part in every label.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

from wakeline_events import ingest, labeling, prediction, review, training
from wakeline_events.base import Event
from wakeline_lineage.domain.nodes import Kind, Node, Story, named_in

E = TypeVar("E", bound=Event)
Tell = Callable[[Any, Story, int], None]

TELLS: dict[str, Tell] = {}
"""Event type -> what it adds."""


def tells(kind: type[E]) -> Callable[[Callable[[E, Story, int], None]], Tell]:
    """Register what events of a type add; given are the event, the story, and its sequence."""

    def register(tell: Callable[[E, Story, int], None]) -> Tell:
        TELLS[kind.TYPE] = cast(Tell, tell)
        return TELLS[kind.TYPE]

    return register


def story_of(event: Event, sequence: int) -> Story:
    """What a known event adds to the graph."""
    story = Story()
    TELLS[event.TYPE](event, story, sequence)
    for node in named_in({name: getattr(event, name) for name in type(event).model_fields}):
        story.node(node.kind, node.id)
    return story


def story_of_unknown(data: Mapping[str, Any]) -> Story:
    """What an event of a newer release names; how its nodes hang together is not known yet."""
    story = Story()
    for node in named_in(dict(data)):
        story.node(node.kind, node.id)
    return story


def accepted_label(label_id: str) -> Node:
    """The verdict by which a label counts: what a dataset version holds."""
    return Node(Kind.REVIEW, f"{label_id}:accepted")


def benchmark_of(stage_id: str, asset_id: str) -> Node:
    """The trusted label of an asset at a stage."""
    return Node(Kind.BENCHMARK, f"{stage_id}|{asset_id}")


@tells(ingest.AssetIngested)
def _asset_ingested(event: ingest.AssetIngested, story: Story, _: int) -> None:
    asset = story.node(
        Kind.ASSET,
        event.asset_id,
        width=event.asset.width,
        height=event.asset.height,
        group=event.asset.group,
    )
    story.link(story.node(Kind.DATASET, event.asset.dataset_id), "contains", asset)
    if event.parent is not None:
        story.link(story.node(Kind.ASSET, event.parent), "was cut into", asset)


@tells(ingest.AssetWithdrawn)
def _asset_withdrawn(event: ingest.AssetWithdrawn, story: Story, _: int) -> None:
    # What replaced it had no part in it, and it has none in that: a fact, and no link.
    superseded_by = event.superseded_by
    story.node(Kind.ASSET, event.asset_id, withdrawn=True, superseded_by=superseded_by)


@tells(ingest.AssetRestored)
def _asset_restored(event: ingest.AssetRestored, story: Story, _: int) -> None:
    story.node(Kind.ASSET, event.asset_id, withdrawn=False, superseded_by=None)


@tells(labeling.ProjectConfigured)
def _project_configured(event: labeling.ProjectConfigured, story: Story, _: int) -> None:
    project = story.node(Kind.PROJECT, event.project_id, version=event.version)
    for dataset in event.document.datasets:
        story.link(story.node(Kind.DATASET, dataset), "is used by", project)
    for stage in event.document.stages:
        story.link(project, "has", story.node(Kind.STAGE, f"{event.project_id}/{stage.name}"))


@tells(labeling.TeamConfigured)
def _team_configured(event: labeling.TeamConfigured, story: Story, _: int) -> None:
    team = story.node(Kind.TEAM, event.team_id, kind=event.kind)
    for member in event.members:
        story.link(team, "had", story.node(Kind.PERSON, member.person_id))


@tells(labeling.BenchmarkSet)
def _benchmark_set(event: labeling.BenchmarkSet, story: Story, _: int) -> None:
    node = benchmark_of(event.stage_id, event.asset_id)
    trusted = story.node(node.kind, node.id, shapes=event.truth.count)
    story.link(story.node(Kind.ASSET, event.asset_id), "is labeled by", trusted)
    story.link(story.node(Kind.STAGE, event.stage_id), "asked for", trusted)


@tells(labeling.TaskOpened)
def _task_opened(event: labeling.TaskOpened, story: Story, _: int) -> None:
    task = story.node(Kind.TASK, event.task_id, state="open", holdout=event.holdout)
    story.link(story.node(Kind.ASSET, event.asset_id), "is shown in", task)
    story.link(story.node(Kind.STAGE, event.stage_id), "asked for", task)


@tells(labeling.TaskClosed)
def _task_closed(event: labeling.TaskClosed, story: Story, _: int) -> None:
    task = story.node(Kind.TASK, event.task_id, state=event.reason)
    story.link(story.node(Kind.ASSET, event.asset_id), "is shown in", task)


@tells(labeling.PredictionRequested)
def _prediction_requested(event: labeling.PredictionRequested, story: Story, _: int) -> None:
    task = story.node(Kind.TASK, event.task_id)
    story.link(story.node(Kind.ASSET, event.asset_id), "is shown in", task)


@tells(labeling.LeaseEnded)
def _lease_ended(event: labeling.LeaseEnded, story: Story, _: int) -> None:
    lease = story.node(Kind.LEASE, event.lease_id, ended=event.reason)
    _held(story, lease, event.task_id, event.person_id, event.team_id)


@tells(labeling.LabelCompleted)
def _label_completed(event: labeling.LabelCompleted, story: Story, _: int) -> None:
    lease = story.node(Kind.LEASE, event.lease_id, ended="submitted")
    _held(story, lease, event.task_id, event.person_id, event.team_id)
    label = story.node(
        Kind.LABEL,
        event.label_id,
        arm=event.arm,
        counts=event.counts,
        shapes=event.annotations.count,
        submitted_at=event.submitted_at.isoformat(),
    )
    story.link(story.node(Kind.ASSET, event.asset_id), "is shown in", _task(story, event.task_id))
    story.link(_task(story, event.task_id), "asked for", label)
    story.link(lease, "ended in", label)
    story.link(story.node(Kind.PERSON, event.person_id), "made", label)
    if (pinned := event.prelabel) is not None:
        shown = story.node(Kind.PREDICTION, pinned.prediction_id)
        story.link(shown, "was shown for" if pinned.shown else "was hidden from", label)
        story.link(_predictor(story, pinned.predictor, pinned.predictor_version), "made", shown)


@tells(prediction.PredictionCompleted)
def _prediction_completed(event: prediction.PredictionCompleted, story: Story, _: int) -> None:
    made = story.node(
        Kind.PREDICTION,
        event.prediction_id,
        shapes=event.shapes.count,
        uncertainty=event.uncertainty,
        serving_epoch=event.serving_epoch,
    )
    story.link(story.node(Kind.ASSET, event.asset_id), "was given to", made)
    predictor = _predictor(story, event.predictor, event.predictor_version)
    story.link(predictor, "made", made)
    if event.model_version is not None:
        story.link(story.node(Kind.MODEL, event.model_version), "answered as", predictor)


@tells(prediction.PredictionFailed)
def _prediction_failed(event: prediction.PredictionFailed, story: Story, _: int) -> None:
    """Nothing came of it; the history of the task says so."""
    _task(story, event.task_id)


@tells(review.LabelAccepted)
def _label_accepted(event: review.LabelAccepted, story: Story, _: int) -> None:
    node = accepted_label(event.label_id)
    verdict = story.node(
        node.kind,
        node.id,
        verdict=event.verdict,
        agreement=event.agreement,
        benchmark_score=event.benchmark_score,
    )
    for label_id in {event.label_id, *event.merged_from}:
        story.link(story.node(Kind.LABEL, label_id), "was judged in", verdict)
    if event.reviewer_id is not None:
        story.link(story.node(Kind.PERSON, event.reviewer_id), "gave", verdict)


@tells(review.LabelRejected)
def _label_rejected(event: review.LabelRejected, story: Story, _: int) -> None:
    verdict = story.node(Kind.REVIEW, f"{event.label_id}:rejected", verdict="rejected")
    story.link(story.node(Kind.LABEL, event.label_id), "was judged in", verdict)
    story.link(story.node(Kind.PERSON, event.reviewer_id), "gave", verdict)


@tells(review.LabelSuperseded)
def _label_superseded(event: review.LabelSuperseded, story: Story, sequence: int) -> None:
    before = accepted_label(event.label_id)
    later = f"{event.label_id}:superseded.{sequence}"
    verdict = story.node(Kind.REVIEW, later, verdict="corrected", shapes=event.annotations.count)
    story.link(story.node(before.kind, before.id), "was corrected by", verdict)
    story.link(story.node(Kind.PERSON, event.reviewer_id), "gave", verdict)


@tells(training.DatasetFrozen)
def _dataset_frozen(event: training.DatasetFrozen, story: Story, _: int) -> None:
    """Its labels come by a job that reads the manifest."""
    assets = {split: counts.assets for split, counts in sorted(event.splits.items())}
    version = story.node(Kind.DATASET_VERSION, event.dataset_version, assets=assets)
    story.link(story.node(Kind.STAGE, event.stage_id), "asked for", version)
    for dataset in event.dataset_ids:
        story.node(Kind.DATASET, dataset)


@tells(training.TrainingStarted)
def _training_started(event: training.TrainingStarted, story: Story, _: int) -> None:
    run = story.node(Kind.RUN, event.run_id, state="training", attempt=event.attempt)
    story.link(story.node(Kind.DATASET_VERSION, event.dataset_version), "was trained on by", run)
    story.link(story.node(Kind.STAGE, event.stage_id), "asked for", run)


@tells(training.TrainingFailed)
def _training_failed(event: training.TrainingFailed, story: Story, _: int) -> None:
    run = story.node(Kind.RUN, event.run_id, state="failed", attempt=event.attempt)
    story.link(story.node(Kind.STAGE, event.stage_id), "asked for", run)


@tells(training.ModelTrained)
def _model_trained(event: training.ModelTrained, story: Story, _: int) -> None:
    run = story.node(Kind.RUN, event.run_id, state="completed", attempt=event.attempt)
    model = story.node(
        Kind.MODEL,
        event.model_version,
        gate=event.gate.verdict,
        compared_with=event.gate.comparator,
        difference=event.gate.difference,
        holdout_assets=event.gate.holdout_assets,
    )
    story.link(story.node(Kind.DATASET_VERSION, event.dataset_version), "was trained on by", run)
    story.link(run, "made", model)
    if event.base_model_version is not None:
        story.link(story.node(Kind.MODEL, event.base_model_version), "was the start of", run)


@tells(training.ModelPublished)
def _model_published(event: training.ModelPublished, story: Story, _: int) -> None:
    model = story.node(Kind.MODEL, event.model_version, serves_since_epoch=event.serving_epoch)
    story.node(Kind.STAGE, event.stage_id, served_by=event.model_version)
    if event.published_by is not None:
        story.link(story.node(Kind.PERSON, event.published_by), "published", model)


@tells(training.ModelRetired)
def _model_retired(event: training.ModelRetired, story: Story, _: int) -> None:
    story.node(Kind.MODEL, event.model_version, retired_at_epoch=event.serving_epoch)
    story.node(Kind.STAGE, event.stage_id, served_by=None)
    story.node(Kind.PERSON, event.retired_by)


def _held(story: Story, lease: Node, task_id: str, person_id: str, team_id: str | None) -> None:
    story.link(_task(story, task_id), "was leased in", lease)
    story.link(story.node(Kind.PERSON, person_id), "held", lease)
    if team_id is not None:
        story.link(story.node(Kind.TEAM, team_id), "worked in", lease)


def _task(story: Story, task_id: str) -> Node:
    return story.node(Kind.TASK, task_id)


def _predictor(story: Story, predictor: str, version: str) -> Node:
    """A stage's own model, or the version of what else proposes."""
    if predictor == "own":
        return story.node(Kind.MODEL, version)
    return story.node(Kind.PREDICTOR, f"{predictor}@{version}")
