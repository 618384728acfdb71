"""A dataset version's manifest: one JSON line an asset, in one canonical form.

The version is the digest of the manifest's bytes, so the same assets, annotations and splits give
the same version wherever and whenever they are frozen, and a changed one can't pass for it.
"""

import json
from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, Protocol, TypeVar

from wakeline_events.base import Asset, AssetId, DatasetId, LabelId
from wakeline_events.labeling import Arm
from wakeline_geometry.shapes import Annotation, Region
from wakeline_training.domain.splits import AssetFacts, Decision, Group, LeftOut

Split = Literal["train", "holdout"]
UNASSISTED_ARMS: frozenset[Arm] = frozenset({"control", "holdout", "benchmark"})
CHUNK_BYTES = 1024 * 1024
"""Bytes of a manifest that are looked at together."""


class Placed(Protocol):
    """What decides where an asset stands."""

    @property
    def asset_id(self) -> AssetId: ...
    @property
    def group(self) -> Group: ...
    @property
    def unassisted(self) -> bool: ...


P = TypeVar("P", bound=Placed)


@dataclass(frozen=True, slots=True)
class Candidate:
    """An accepted label, or a benchmark's truth, without its geometry: there may be very many."""

    label_id: LabelId | None
    """None: a benchmark."""
    facts: AssetFacts
    unassisted: bool

    @property
    def asset_id(self) -> AssetId:
        """The asset that it is of."""
        return self.facts.asset_id

    @property
    def group(self) -> Group:
        """The group that decides the asset's split."""
        return self.facts.group


@dataclass(frozen=True, slots=True)
class Labeled:
    """What is known of one asset at one stage: an accepted label, or a benchmark's truth."""

    asset: Asset
    annotations: tuple[Annotation, ...]
    label_id: LabelId | None
    """None: trusted truth that was imported."""
    unassisted: bool
    """Made without a pre-label, in an arm that never shows one."""
    focus_regions: tuple[Region, ...] = ()
    """Where people looked; none: everywhere."""

    @property
    def asset_id(self) -> AssetId:
        """The asset that it is of."""
        return self.asset.asset_id

    @property
    def group(self) -> Group:
        """The group that decides the asset's split."""
        return group_of(self.asset)


@dataclass(frozen=True, slots=True)
class Entry(Generic[P]):
    """One asset of a dataset version."""

    labeled: P
    split: Split


def group_of(asset: Asset) -> Group:
    """The group of an asset, unique across datasets."""
    return Group(asset.dataset_id, asset.group)


def dataset_of(asset_id: AssetId) -> DatasetId:
    """The dataset that an asset's id names."""
    return asset_id.partition(":")[0]


def is_unassisted(arm: Arm, assisted: bool) -> bool:
    """Whether a label may serve as hold-out truth."""
    return arm in UNASSISTED_ARMS and not assisted


def entries(
    labeled: Iterable[P], benchmarks: Sequence[P], decision: Decision
) -> tuple[list[Entry[P]], Counter[LeftOut]]:
    """Put every asset into its split, or say why it stands in none.

    A benchmark's truth takes the place of a label of the same asset. Sorted by asset id.
    """
    chosen: list[Entry[P]] = []
    left_out: Counter[LeftOut] = Counter()
    trusted = {truth.asset_id for truth in benchmarks}
    for truth in benchmarks:
        if truth.group in decision.seen:
            left_out[LeftOut.SEEN_BENCHMARK] += 1
        else:
            chosen.append(Entry(truth, "holdout"))
    for label in labeled:
        if label.asset_id in trusted:
            continue
        if label.group in decision.holdout and label.unassisted:
            chosen.append(Entry(label, "holdout"))
        elif label.group in decision.holdout:
            left_out[LeftOut.ASSISTED_HOLDOUT] += 1
        elif label.group in decision.training:
            chosen.append(Entry(label, "train"))
        else:
            left_out[decision.left_out[label.group]] += 1
    return sorted(chosen, key=lambda entry: entry.labeled.asset_id), left_out


def render(chosen: Iterable[Entry[Labeled]], assets_bucket: str) -> bytes:
    """The manifest's bytes, in the form that the trainer contract names.

    Parameters
    ----------
    assets_bucket
        Full name of the bucket that holds the images.
    """
    return b"".join(_line(entry, assets_bucket) for entry in chosen)


def manifest_key(version: str) -> str:
    """Where a version's manifest lies in the bucket ``datasets``."""
    return f"{version}/manifest.jsonl"


@dataclass(frozen=True, slots=True)
class HoldoutTruth:
    """One hold-out asset as the gate needs it."""

    asset_id: str
    group: Group
    size: tuple[int, int]
    """``(height, width)`` in pixels."""
    annotations: tuple[Annotation, ...]
    focus_regions: tuple[Region, ...] = ()
    """Outside of these nothing is known; none: all of it is."""


async def whole_lines(manifest: AsyncIterable[bytes]) -> AsyncIterator[list[bytes]]:
    """The lines of a manifest that comes in chunks, about a megabyte of them at a time."""
    held: list[bytes] = []
    size = 0
    async for chunk in manifest:
        held.append(chunk)
        size += len(chunk)
        if size < CHUNK_BYTES:
            continue
        *lines, rest = b"".join(held).split(b"\n")
        held, size = [rest], len(rest)
        if lines:
            yield lines
    lines = b"".join(held).split(b"\n")
    if whole := [line for line in lines if line]:
        yield whole


def holdout_of(lines: Iterable[bytes]) -> list[HoldoutTruth]:
    """The hold-out assets among lines of a manifest, in their order."""
    rows = (json.loads(line) for line in lines)
    return [_truth(row) for row in rows if row["split"] == "holdout"]


def _truth(row: Mapping[str, Any]) -> HoldoutTruth:
    return HoldoutTruth(
        asset_id=row["asset_id"],
        group=Group(dataset_of(row["asset_id"]), row["group"]),
        size=(row["height"], row["width"]),
        annotations=tuple(Annotation.model_validate(shape) for shape in row["annotations"]),
        focus_regions=tuple(map(tuple, row.get("focus_regions", ()))),
    )


def _line(entry: Entry[Labeled], bucket: str) -> bytes:
    asset = entry.labeled.asset
    by_id = sorted(entry.labeled.annotations, key=lambda annotation: annotation.id)
    row = {
        "asset_id": asset.asset_id,
        "image": f"s3://{bucket}/{asset.image}",
        "bands": {name: f"s3://{bucket}/{key}" for name, key in asset.bands.items()},
        "width": asset.width,
        "height": asset.height,
        "group": asset.group,
        "split": entry.split,
        "label_id": entry.labeled.label_id,
        "annotations": [annotation.model_dump(mode="json") for annotation in by_id],
    }
    if entry.labeled.focus_regions:  # of whole images nothing is said: their versions keep names
        row["focus_regions"] = entry.labeled.focus_regions
    text = json.dumps(row, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode() + b"\n"
