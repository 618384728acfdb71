"""Groups: which assets must stay together, decided once for each, and told to everyone."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from wakeline_events.base import AssetId, DatasetId
from wakeline_ingest.domain import filing, grouping, records
from wakeline_ingest.domain.errors import TurnTakenError
from wakeline_ingest.domain.fingerprints import Fingerprint, candidate_keys, fingerprint
from wakeline_ingest.domain.grouping import Grouping, Relative
from wakeline_ingest.domain.near_duplicates import Resemblance, resemblance
from wakeline_ingest.domain.records import AssetRecord
from wakeline_ingest.ports import Depot, Filed, IngestUnitOfWork, Library, Preview
from wakeline_ingest.usecases.receiving import content_type

JPEG = content_type("JPEG")


@dataclass(frozen=True, slots=True)
class Placed:
    """An asset and the group it was found to belong to."""

    asset: AssetRecord
    fingerprint: Filed
    """Of no group yet; its keys are those that it will be filed under."""
    grouping: Grouping


@dataclass(frozen=True, slots=True)
class Plan:
    """What to write down of one dataset, if nobody has placed assets of it meanwhile."""

    dataset_id: DatasetId
    turn: int
    placed: Sequence[Placed]


@dataclass(frozen=True, slots=True)
class Compared:
    """What is known of an image once it was compared with those before it."""

    filed: Mapping[AssetId, frozenset[int]]
    """What is filed under some of its keys, and under which."""
    copies: Sequence[Filed]
    """Copies and crops, the most alike first."""


class Prints:
    """The fingerprints of assets that are to be placed: looked up, or taken from their previews.

    Parameters
    ----------
    at_once : images worked on at the same time, each in a thread; what is found is the same
    """

    def __init__(self, library: Library, depot: Depot, at_once: int) -> None:
        self._library = library
        self._depot = depot
        self._threads = asyncio.Semaphore(at_once)
        self._taken: dict[AssetId, Filed] = {}

    async def of(self, assets: Iterable[AssetRecord]) -> dict[AssetId, Filed]:
        """Return the fingerprint of each; what a preview holds beside it is put in its place.

        Each is taken once, however often a plan has to be made again.
        """
        wanted = {asset.asset_id: asset for asset in assets}
        previews = await self._library.previews(wanted.keys() - self._taken.keys())
        await asyncio.gather(*(self._take(wanted[each.asset_id], each) for each in previews))
        older = await self._library.fingerprints(wanted.keys() - self._taken.keys())
        return older | {each: self._taken[each] for each in wanted.keys() & self._taken.keys()}

    async def compared(self, mine: Filed, earlier: Sequence[Filed]) -> Compared:
        """Find the copies of an image among earlier ones and placed ones.

        Parameters
        ----------
        earlier : images that are to be placed before this one, by the same plan
        """
        filed, unfiled = await self._library.sharing(mine), _sharing(mine, earlier)
        waiting = {each.asset_id: each for each in earlier}
        likeliest = filing.candidates({**filed, **unfiled})
        found = waiting | await self._library.fingerprints(
            each for each in likeliest if each in filed
        )
        async with self._threads:
            copies = await asyncio.to_thread(_copies, mine, [found[each] for each in likeliest])
        return Compared(filed, copies)

    async def _take(self, asset: AssetRecord, preview: Preview) -> None:
        await self._depot.put(asset.thumbnail, preview.thumbnail, JPEG)
        async with self._threads:
            taken = await asyncio.to_thread(_filed, asset.dataset_id, preview)
        self._taken[asset.asset_id] = taken


async def plan_groups(library: Library, prints: Prints, asset_ids: Iterable[AssetId]) -> list[Plan]:
    """Find the groups of new assets, those that came first first; a plan for each dataset."""
    waiting = _in_order(await library.assets(asset_ids))
    await prints.of(waiting)  # takes longest, so not within a turn
    turns = {each.dataset_id: await library.turn(each.dataset_id) for each in waiting}
    waiting = _in_order(await library.assets(asset_ids))  # as they are in this turn
    plans = []
    for dataset_id, assets in groupby(waiting, key=lambda asset: asset.dataset_id):
        placed = await _placed(library, prints, {asset.asset_id: asset for asset in assets})
        plans.append(Plan(dataset_id, turns[dataset_id], placed))
    return plans


async def place(uow: IngestUnitOfWork, plans: Iterable[Plan]) -> None:
    """Write groups down and tell everyone of the assets.

    Raises
    ------
    TurnTakenError
        If another process has placed assets of one of the datasets meanwhile.
    """
    for plan in plans:
        if not await uow.datasets.take_turn(plan.dataset_id, plan.turn):
            raise TurnTakenError(plan.dataset_id)
        now = await uow.assets.several(each.asset.asset_id for each in plan.placed)
        for each in plan.placed:
            found = each.grouping
            filed = replace(each.fingerprint, group=found.group)
            uow.assets.place(each.asset.asset_id, filed, found.neighbours)
            uow.emit(records.ingested(each.asset, found.group, found.neighbours))
            if now[each.asset.asset_id].presence != "here":  # its source has lost it already
                uow.emit(records.withdrawn(now[each.asset.asset_id]))


async def _placed(
    library: Library, prints: Prints, assets: dict[AssetId, AssetRecord]
) -> list[Placed]:
    groups = await _with_parents(library, assets)
    parents = {a.asset_id: a.declared.parent for a in assets.values() if a.declared.parent}
    taken = await prints.of(assets.values())
    ordered = [taken[asset_id] for asset_id in grouping.parents_first(assets, parents)]
    # Which images are copies does not depend on groups, so all are compared at the same time; which
    # group each is in, and what it is filed under, depends on those before it.
    compared = await asyncio.gather(
        *(prints.compared(mine, ordered[:place]) for place, mine in enumerate(ordered))
    )
    placed: list[Placed] = []
    by_this_plan: dict[AssetId, frozenset[int]] = {}
    for mine, found in zip(ordered, compared, strict=True):
        asset = assets[mine.asset_id]
        copies = [Relative(o.asset_id, o.group or groups[o.asset_id]) for o in found.copies]
        parent = asset.declared.parent
        relative = Relative(parent, groups[parent]) if parent else None
        where = grouping.place(asset.digest, asset.declared.group, relative, copies)
        groups[asset.asset_id] = where.group
        keys = filing.telling(
            mine.keys,
            {**found.filed, **by_this_plan},
            {copy.asset_id for copy in copies},
        )
        by_this_plan[asset.asset_id] = frozenset(keys)
        placed.append(Placed(asset, replace(mine, keys=keys), where))
    return placed


def _in_order(assets: Iterable[AssetRecord]) -> list[AssetRecord]:
    waiting = [asset for asset in assets if asset.group is None]
    return sorted(waiting, key=lambda each: (each.dataset_id, each.received_at, each.asset_id))


async def _with_parents(library: Library, assets: dict[AssetId, AssetRecord]) -> dict[AssetId, str]:
    """Add parents that have no group yet, and return the groups of those that have one."""
    groups: dict[AssetId, str] = {}
    missing = {a.declared.parent for a in assets.values() if a.declared.parent} - assets.keys()
    while missing:
        found = await library.assets(filter(None, missing))
        groups.update({a.asset_id: a.group for a in found if a.group is not None})
        assets.update({a.asset_id: a for a in found if a.group is None})
        asked = {a.declared.parent for a in assets.values() if a.declared.parent}
        missing = asked - assets.keys() - groups.keys()
    return groups


def _sharing(mine: Filed, others: Sequence[Filed]) -> dict[AssetId, frozenset[int]]:
    keys = frozenset(mine.keys)
    shared = {other.asset_id: keys.intersection(other.keys) for other in others}
    return {asset_id: some for asset_id, some in shared.items() if some}


def _copies(mine: Filed, others: Sequence[Filed]) -> list[Filed]:
    ours = Fingerprint.from_bytes(mine.data)
    found: list[tuple[Resemblance, Filed]] = []
    for other in others:
        how = resemblance(ours, Fingerprint.from_bytes(other.data))
        if how is not None:
            found.append((how, other))
    found.sort(key=lambda one: (-one[0].points, -one[0].correlation, one[1].asset_id))
    return [other for _, other in found]


def _filed(dataset_id: DatasetId, preview: Preview) -> Filed:
    taken = fingerprint(preview.sketch)
    keys = tuple(candidate_keys(taken))
    return Filed(preview.asset_id, dataset_id, keys, taken.to_bytes(), None)
