"""Taking in what other services decided: configurations, labels, benchmarks, predictions."""

from wakeline_events.base import StageId
from wakeline_events.ingest import AssetIngested, AssetWithdrawn
from wakeline_events.labeling import BenchmarkSet, ProjectConfigured
from wakeline_events.review import LabelAccepted, LabelSuperseded
from wakeline_training.domain.manifest import dataset_of, group_of
from wakeline_training.domain.splits import AssetFacts
from wakeline_training.domain.stage import Stage
from wakeline_training.ports import TrainingUnitOfWork
from wakeline_training.usecases import asking


def take_asset(uow: TrainingUnitOfWork, event: AssetIngested) -> None:
    """Remember an asset's group and relatives: a hold-out's crop must be known to be one."""
    asset = event.asset
    relatives = frozenset(asset.neighbours) | ({event.parent} if event.parent else frozenset())
    uow.assets.put(AssetFacts(asset.asset_id, group_of(asset), asset.digest, relatives))
    if relatives:
        uow.splits.touch(asset.dataset_id)


def withdraw(uow: TrainingUnitOfWork, event: AssetWithdrawn) -> None:
    """No version takes an image that is not to be had; a freeze in progress starts again."""
    uow.withdrawals.add(event.asset_id)
    uow.splits.touch(dataset_of(event.asset_id))


async def configure(uow: TrainingUnitOfWork, event: ProjectConfigured) -> None:
    """Take over a project's stages; a lower trigger may be reached at once."""
    document = event.document
    known = {stage.stage_id: stage for stage in await uow.stages.of_project(event.project_id)}
    for policy in document.stages:
        stage_id: StageId = f"{event.project_id}/{policy.name}"
        configured = {
            "dataset_ids": document.datasets,
            "policy": policy,
            "ontology": document.ontology,
        }
        stage = (
            known[stage_id].model_copy(update=configured)
            if stage_id in known
            else Stage(stage_id=stage_id, project_id=event.project_id, **configured)
        )
        uow.stages.put(stage)
        asking.start_if_due(uow, stage)
    uow.known(f"project:{event.project_id}")


async def accept(uow: TrainingUnitOfWork, stage: Stage, event: LabelAccepted) -> None:
    """Keep an accepted label, and start a run when it was the last one wanted.

    One that is known is said again by a snapshot: it counts once.
    """
    known = await uow.labels.has(event.label_id)
    uow.labels.accept(event)
    if known:
        return
    counted = stage.with_label()
    uow.stages.put(counted)
    asking.start_if_due(uow, counted)
    uow.known(f"label:{event.label_id}")


def supersede(uow: TrainingUnitOfWork, event: LabelSuperseded) -> None:
    """Later dataset versions take the corrected annotations."""
    uow.labels.supersede(event.label_id, event.annotations)


def take_benchmark(uow: TrainingUnitOfWork, event: BenchmarkSet) -> None:
    """From now on the asset's group never trains; a freeze in progress starts again."""
    uow.benchmarks.put(event)
    uow.splits.touch(event.asset.dataset_id)
