"""Freezing a dataset version: who is hold-out, what trains, and the manifest that says so."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog

from wakeline_events.base import Asset, AssetId, DatasetId
from wakeline_events.training import DatasetFrozen, SplitCounts
from wakeline_training.domain import manifest, splits
from wakeline_training.domain.manifest import Candidate, Entry, Labeled
from wakeline_training.domain.models import DatasetVersion
from wakeline_training.domain.run import Failure, Run
from wakeline_training.domain.stage import Stage
from wakeline_training.ports import Archive, LabelRow, Steps, TrainingUnitOfWork
from wakeline_training.usecases import asking

log = structlog.get_logger()

PAGE = 200
"""Labels that are read together; geometry of 64 KiB at most stands in a label itself."""
SHAPES = 2_000
"""Annotations that are in memory together, beside those: a label of more stands alone."""
TRIES = 5
"""How often a freeze starts again at once because something came that it must not miss."""
LATER = timedelta(seconds=10)
"""Until it is tried again after that, without end: an import of related images may take hours."""
OVERTAKEN = "what came meanwhile: images, benchmarks or a freeze of the same datasets"


class FreezeOutdatedError(Exception):
    """A benchmark, a relative or another stage's freeze came in between."""

    code = "freeze-outdated"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that a freeze decides by."""

    run: Run
    stage: Stage
    facts: splits.Facts
    revisions: dict[DatasetId, int]
    """Of every dataset whose splits or benchmarks it decides by."""
    labels: list[Candidate]
    benchmarks: list[Candidate]
    withdrawn: frozenset[AssetId]
    """Assets that would be among these if their images were to be had."""


async def freeze(steps: Steps, archive: Archive, run_id: str, scratch: Path) -> None:
    """Freeze the version of a run, and let its training begin.

    The manifest is stored first: it is named by its content, so what a crash leaves behind is
    either taken up again or harms nobody. Everything else is one transaction.

    If others keep changing what was read, the job ends and is asked for anew: nothing is wrong, so
    nothing is counted, and the freezes of other stages go first.

    Parameters
    ----------
    scratch : where the manifest is put together, about a kilobyte a label
    """
    for _ in range(TRIES):
        snapshot = await _snapshot(steps.read(), run_id)
        if snapshot is None:
            await steps.finish(_nothing)
            return
        try:
            await _freeze(steps, archive, snapshot, scratch)
            return
        except FreezeOutdatedError as error:
            log.info("freeze starts again", run=run_id, cause=str(error))
    await steps.finish(lambda uow: _later(uow, run_id))


async def _later(uow: TrainingUnitOfWork, run_id: str) -> None:
    run = await asking.run_of(uow, run_id)
    if run.state != "freezing":
        return
    uow.runs.put(run.model_copy(update={"waiting_for": OVERTAKEN}))
    uow.enqueue("freeze", run_id, {"run_id": run_id}, not_before=uow.now + LATER)


async def _freeze(steps: Steps, archive: Archive, snapshot: Snapshot, scratch: Path) -> None:
    share = snapshot.stage.policy.holdout_share
    decision = splits.decide(snapshot.facts, share)
    entries, left_out = manifest.entries(snapshot.labels, snapshot.benchmarks, decision)
    if snapshot.withdrawn:
        left_out[splits.LeftOut.IMAGE_WITHDRAWN] = len(snapshot.withdrawn)
    if not any(entry.split == "train" for entry in entries):
        await steps.finish(lambda uow: _nothing_to_train(uow, snapshot.run, left_out))
        return
    with TemporaryDirectory(dir=scratch) as folder:
        path = Path(folder) / "manifest.jsonl"
        name, counts = await _write(steps, archive, snapshot.stage, entries, path)
        await archive.save_manifest(manifest.manifest_key(name), path)
    version = DatasetVersion(
        dataset_version=name,
        stage_id=snapshot.stage.stage_id,
        project_id=snapshot.stage.project_id,
        dataset_ids=snapshot.stage.dataset_ids,
        manifest_key=manifest.manifest_key(name),
        splits=counts,
        classes=tuple(each.name for each in snapshot.stage.ontology.classes),
        left_out={reason.value: count for reason, count in sorted(left_out.items())},
        created_at=snapshot.run.created_at,
    )
    await steps.finish(lambda uow: _store(uow, snapshot, decision, version))


async def _snapshot(uow: TrainingUnitOfWork, run_id: str) -> Snapshot | None:
    """What is there now; None: the run was cancelled.

    A large stage takes longer to read than a transaction may. So each revision is read before what
    it stands for, and whatever changes later is noticed when the version is stored.
    """
    run = await asking.run_of(uow, run_id)
    if run.state != "freezing":
        return None
    stage = await asking.stage_of(uow, run.stage_id)
    datasets = stage.dataset_ids
    revisions = await uow.splits.revisions(datasets, datasets)
    withdrawn = await uow.withdrawals.of_datasets(datasets)
    labels, without = _divided(await uow.labels.of_stage(stage.stage_id, datasets), withdrawn)
    benchmarks, lost = _divided(await uow.benchmarks.of_stage(stage.stage_id, datasets), withdrawn)
    labeled = [label.facts for label in labels]
    assets = await uow.assets.around([*labeled, *await uow.benchmarks.assets(datasets)])
    # A copy in a dataset of another project is a copy all the same.
    others = {facts.group.dataset_id for facts in assets.values()}.difference(datasets)
    revisions |= await uow.splits.revisions(datasets, others)
    involved = sorted(revisions)
    trusted = await uow.benchmarks.assets(involved)
    facts = splits.Facts(
        assets=assets,
        decided=await uow.splits.decided(involved),
        first=frozenset(datasets) - await uow.splits.frozen(datasets),
        labeled=frozenset(asset.group for asset in labeled),
        unassisted=await uow.labels.unassisted_groups(datasets),
        benchmarks=frozenset(asset.group for asset in trusted),
    )
    return Snapshot(run, stage, facts, revisions, labels, benchmarks, without | lost)


def _divided(
    candidates: Sequence[Candidate], withdrawn: frozenset[AssetId]
) -> tuple[list[Candidate], frozenset[AssetId]]:
    """Those whose images are to be had, and the assets of the others."""
    had = [candidate for candidate in candidates if candidate.asset_id not in withdrawn]
    return had, withdrawn.intersection(candidate.asset_id for candidate in candidates)


async def _store(
    uow: TrainingUnitOfWork,
    snapshot: Snapshot,
    decision: splits.Decision,
    version: DatasetVersion,
) -> None:
    run = await asking.run_of(uow, snapshot.run.run_id)
    if run.state != "freezing":
        return
    datasets, involved = snapshot.stage.dataset_ids, snapshot.revisions
    for dataset, revision in (await uow.splits.revisions(datasets, involved)).items():
        if revision != involved[dataset]:
            raise FreezeOutdatedError(f"dataset {dataset} changed while it was being decided by")
    uow.splits.claim(datasets, involved)
    changes = decision.changes(snapshot.facts.decided)
    uow.splits.decide(changes, run.run_id, version.dataset_version)
    if await uow.dataset_versions.get(version.dataset_version) is None:
        uow.dataset_versions.put(version.model_copy(update={"created_at": uow.now}))
        uow.emit(
            DatasetFrozen(
                stage_id=version.stage_id,
                dataset_version=version.dataset_version,
                dataset_ids=version.dataset_ids,
                manifest_key=version.manifest_key,
                splits=version.splits,
            )
        )
    stage = await asking.stage_of(uow, run.stage_id)
    uow.stages.put(stage.frozen_at(snapshot.stage.accepted))
    frozen = {
        "state": "training",
        "waiting_for": None,
        "dataset_version": version.dataset_version,
    }
    uow.runs.put(run.model_copy(update=frozen))
    uow.enqueue("train", run.run_id, {"run_id": run.run_id})


async def _nothing_to_train(
    uow: TrainingUnitOfWork, run: Run, left_out: Counter[splits.LeftOut]
) -> None:
    """No split is decided by a freeze that makes no version."""
    current = await asking.run_of(uow, run.run_id)
    if current.state != "freezing":
        return
    why = ", ".join(f"{count} {reason.value}" for reason, count in sorted(left_out.items()))
    detail = (
        f"no labeled asset is free to train on (left out: {why or 'none'}; the rest is hold-out)"
    )
    await asking.give_up(uow, current, Failure(code="nothing-to-train", detail=detail))


async def _write(
    steps: Steps,
    archive: Archive,
    stage: Stage,
    entries: Sequence[Entry[Candidate]],
    path: Path,
) -> tuple[str, dict[str, SplitCounts]]:
    """Write the manifest page by page; its SHA-256, which names the version, and its counts.

    Geometry is read when its page is written, a correction that came since included: what was
    decided in one transaction is where each label stands, not what it shows.

    Raises
    ------
    FreezeOutdatedError
        If a label is gone.
    """
    digest, shapes = hashlib.sha256(), Counter[str]()
    with path.open("wb") as file:
        for start in range(0, len(entries), PAGE):
            page = entries[start : start + PAGE]
            rows = await _rows(steps, stage, page)
            for part in _parts(page, rows):
                labeled = [await _with_annotations(archive, entry, rows) for entry in part]
                lines = await asyncio.to_thread(manifest.render, labeled, archive.assets_bucket)
                digest.update(lines)
                file.write(lines)
                for entry in labeled:
                    shapes[entry.split] += len(entry.labeled.annotations)
    assets = Counter(entry.split for entry in entries)
    counts = {
        split: SplitCounts(assets=assets[split], annotations=shapes[split])
        for split in ("train", "holdout")
    }
    return digest.hexdigest(), counts


async def _rows(
    steps: Steps, stage: Stage, page: Sequence[Entry[Candidate]]
) -> dict[str, LabelRow]:
    """The labels of a page and the truth of its benchmarks, by what `_name` calls them."""
    rows: dict[str, LabelRow] = {}

    async def read(uow: TrainingUnitOfWork) -> None:
        labels = [entry.labeled.label_id for entry in page if entry.labeled.label_id is not None]
        trusted = [entry.labeled.asset_id for entry in page if entry.labeled.label_id is None]
        rows.update(await uow.labels.rows(labels))
        rows.update(await uow.benchmarks.rows(stage.stage_id, trusted))

    await steps.transaction(read)  # which also says whether this attempt still counts
    for entry in page:
        if _name(entry) not in rows:
            raise FreezeOutdatedError(f"the label of {entry.labeled.asset_id} is gone")
    return rows


def _name(entry: Entry[Candidate]) -> str:
    return entry.labeled.label_id or entry.labeled.asset_id


def _parts(
    page: Sequence[Entry[Candidate]], rows: Mapping[str, LabelRow]
) -> Iterator[list[Entry[Candidate]]]:
    """The page in its order, in parts of as many annotations as may be in memory together."""
    part: list[Entry[Candidate]] = []
    held = 0
    for entry in page:
        count = rows[_name(entry)].annotations.count
        if part and held + count > SHAPES:
            yield part
            part, held = [], 0
        part.append(entry)
        held += count
    if part:
        yield part


async def _with_annotations(
    archive: Archive, entry: Entry[Candidate], rows: Mapping[str, LabelRow]
) -> Entry[Labeled]:
    row = rows[_name(entry)]
    labeled = Labeled(
        asset=Asset.model_validate(row.asset),
        annotations=await archive.annotations(row.annotations),
        label_id=row.label_id,
        unassisted=row.unassisted,
        focus_regions=row.focus_regions,
    )
    return Entry(labeled, entry.split)


async def _nothing(_: TrainingUnitOfWork) -> None:
    """The run was cancelled: the job ends without an effect."""
