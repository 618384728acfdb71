"""Which groups are hold-out: decided once by hash rank, kept for ever, shared by all stages.

Two things are kept of a group: that it is hold-out, or that it was trained on. A group that was
trained on never becomes hold-out, and neither does its relative: what serves has seen it, so a
comparison on it would be unfair to every newcomer.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from wakeline_events.base import AssetId, DatasetId

LEAST_HOLDOUT_GROUPS = 5
"""The first freeze of a dataset sets at least this many groups aside."""


class Group(NamedTuple):
    """A group's name means something only within its dataset."""

    dataset_id: DatasetId
    name: str


class Side(StrEnum):
    """What was decided of a group, for ever."""

    HOLDOUT = "holdout"
    TRAINED = "trained"


class LeftOut(StrEnum):
    """Why an asset with an accepted label or a benchmark stands in no split of a version."""

    ASSISTED_HOLDOUT = "assisted-holdout"
    """Of a hold-out group, but its labeler saw a pre-label."""
    BENCHMARK_GROUP = "benchmark-group"
    """Of a benchmark's group: it must not train, and is no trusted truth itself."""
    RELATED_TO_HOLDOUT = "related-to-holdout"
    """A copy or crop of a hold-out or benchmark group's asset, or in a group with one."""
    UNKNOWN_NEIGHBOUR = "unknown-neighbour"
    """Names a neighbour that was not heard of here yet: a later version may take it."""
    SEEN_BENCHMARK = "seen-benchmark"
    """A benchmark set after its group, or a relative, had been trained on."""
    IMAGE_WITHDRAWN = "image-withdrawn"
    """Its owner has deleted or replaced the image: a later version may take it if it is back."""


@dataclass(frozen=True, slots=True)
class AssetFacts:
    """What splitting needs to know of an asset, labeled or not."""

    asset_id: AssetId
    group: Group
    digest: str
    """SHA-256 of the bytes: equal bytes in two datasets are relatives."""
    relatives: frozenset[AssetId] = frozenset()
    """Its neighbours, and its parent; the relation holds in both directions."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that a freeze knows when it decides."""

    assets: Mapping[AssetId, AssetFacts]
    """Labeled assets, benchmarks, and the relatives of either as far as they are known."""
    decided: Mapping[Group, Side]
    first: frozenset[DatasetId]
    """Datasets that were never frozen before."""
    labeled: frozenset[Group]
    """Groups with an accepted label of the stage."""
    unassisted: frozenset[Group]
    """Groups with an accepted label, of any stage, that was made without a pre-label."""
    benchmarks: frozenset[Group]
    """Groups with a benchmark of any stage."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The sides of all groups from this freeze on."""

    holdout: frozenset[Group]
    """All hold-out groups, earlier ones included."""
    training: frozenset[Group]
    """Labeled groups that this version trains on."""
    seen: frozenset[Group]
    """Groups that earlier versions trained on, and their relatives."""
    left_out: Mapping[Group, LeftOut] = field(default_factory=dict)
    """Labeled groups that neither train nor are hold-out."""

    def changes(self, decided: Mapping[Group, Side]) -> dict[Group, Side]:
        """What has to be kept beyond what was decided before."""
        sides = dict.fromkeys(self.training, Side.TRAINED) | dict.fromkeys(
            self.holdout, Side.HOLDOUT
        )
        return {group: side for group, side in sides.items() if group not in decided}


def rank(group: Group) -> float:
    """A group's place in its dataset's lottery, in [0, 1); every service computes the same."""
    digest = hashlib.sha256(f"{group.dataset_id}|{group.name}".encode()).digest()
    return int.from_bytes(digest, "big") / 2**256


def decide(facts: Facts, share: float) -> Decision:
    """Choose the new hold-out groups, and what may train beside them.

    A labeled group becomes hold-out if it has an unassisted label and its rank is below
    ``share``; the first freeze of a dataset goes on with the next ranks until there are
    ``max(5, share)`` of its labeled groups. Nothing that is, or is related to, a hold-out or
    benchmark group trains, whichever of the two came first.

    Parameters
    ----------
    share
        Share of groups to set aside, in (0, 1).
    """
    related, unresolved = relations(facts.assets)
    trained = {group for group, side in facts.decided.items() if side is Side.TRAINED}
    seen = _with_relatives(trained, related)
    holdout = {group for group, side in facts.decided.items() if side is Side.HOLDOUT}
    free = facts.labeled - facts.benchmarks - holdout - seen - unresolved
    eligible = sorted(free & facts.unassisted, key=lambda group: (rank(group), group))
    holdout |= {group for group in eligible if rank(group) < share}
    for dataset in facts.first:
        holdout |= _filled_up(dataset, facts, eligible, holdout, share)
    untouchable = holdout | facts.benchmarks
    near = _with_relatives(untouchable, related)
    training = facts.labeled - near - unresolved
    left_out = {
        group: _why_not(group, facts, untouchable, near)
        for group in facts.labeled - training - holdout
    }
    return Decision(frozenset(holdout), frozenset(training), frozenset(seen), left_out)


def relations(
    assets: Mapping[AssetId, AssetFacts],
) -> tuple[dict[Group, set[Group]], frozenset[Group]]:
    """Which groups hold copies or crops of one another, and which name an unknown asset."""
    related: dict[Group, set[Group]] = defaultdict(set)
    unresolved = set()
    for facts in assets.values():
        for name in facts.relatives:
            if name in assets:
                related[facts.group].add(assets[name].group)
                related[assets[name].group].add(facts.group)
            else:
                unresolved.add(facts.group)
    for groups in _groups_by_digest(assets.values()):
        for group in groups:
            related[group] |= groups - {group}
    return related, frozenset(unresolved)


def _groups_by_digest(assets: Iterable[AssetFacts]) -> Iterable[set[Group]]:
    """The groups of each digest that several have; nearly all have one of their own."""
    first: dict[str, Group] = {}
    several: dict[str, set[Group]] = {}
    for facts in assets:
        group = first.setdefault(facts.digest, facts.group)
        if group != facts.group:
            several.setdefault(facts.digest, {group}).add(facts.group)
    return several.values()


def _with_relatives(
    groups: Iterable[Group], related: Mapping[Group, set[Group]]
) -> frozenset[Group]:
    """One step is enough: a group already holds everything that is alike within it."""
    chosen = set(groups)
    return frozenset(chosen.union(*(related.get(group, set()) for group in chosen)))


def _filled_up(
    dataset: DatasetId,
    facts: Facts,
    eligible: Iterable[Group],
    holdout: Iterable[Group],
    share: float,
) -> set[Group]:
    """The next ranks of a dataset, until its first hold-out is large enough."""
    labeled = [group for group in facts.labeled if group.dataset_id == dataset]
    chosen = {group for group in holdout if group.dataset_id == dataset}
    wanted = max(LEAST_HOLDOUT_GROUPS, -int(-share * len(labeled) // 1))
    for group in eligible:
        if len(chosen) >= wanted:
            break
        if group.dataset_id == dataset:
            chosen.add(group)
    return chosen


def _why_not(
    group: Group, facts: Facts, untouchable: Iterable[Group], near: Iterable[Group]
) -> LeftOut:
    if group in facts.benchmarks:
        return LeftOut.BENCHMARK_GROUP
    if group in near:
        return LeftOut.RELATED_TO_HOLDOUT
    return LeftOut.UNKNOWN_NEIGHBOUR
