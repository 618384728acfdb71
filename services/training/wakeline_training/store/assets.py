"""Groups and relatives of every asset: labels tell only of assets that have one."""

from collections.abc import Iterable

from wakeline_events.base import AssetId
from wakeline_storage import BufferedCollection, Document
from wakeline_training.domain.splits import AssetFacts, Group

_NAMES_A_QUERY = 10_000


class AssetStore:
    """The collection ``assets``."""

    def __init__(self, rows: BufferedCollection) -> None:
        self._rows = rows

    def put(self, facts: AssetFacts) -> None:
        """Keep what an asset's ingestion told."""
        self._rows.replace(
            {"_id": facts.asset_id},
            {
                "dataset_id": facts.group.dataset_id,
                "group": facts.group.name,
                "digest": facts.digest,
                "relatives": sorted(facts.relatives),
            },
            upsert=True,
        )

    async def around(self, assets: Iterable[AssetFacts]) -> dict[AssetId, AssetFacts]:
        """The given assets with all that is known of them, and every relative of their groups.

        A hold-out group may be touched by an asset that nobody has labeled, so what is looked at
        is whole groups: their members, whoever names a member, and whom a member names.
        """
        found = {facts.asset_id: facts for facts in assets}
        groups = {facts.group for facts in found.values()}
        for dataset in sorted({group.dataset_id for group in groups}):
            names = [group.name for group in groups if group.dataset_id == dataset]
            await self._add(found, {"dataset_id": dataset}, "group", names)
        await self._add(found, {}, "relatives", list(found))
        named = {name for facts in found.values() for name in facts.relatives}
        await self._add(found, {}, "_id", list(named - set(found)))
        digests = {facts.digest for facts in found.values()}
        await self._add(found, {}, "digest", list(digests))
        return found

    async def _add(
        self, found: dict[AssetId, AssetFacts], base: Document, field: str, names: list[str]
    ) -> None:
        for part in _batches(sorted(names)):
            for row in await self._rows.find({**base, field: {"$in": part}}):
                facts = _facts(row)
                known = found.get(facts.asset_id)
                if known is not None:  # a parent stands here only, a label's copy may be newer
                    facts = AssetFacts(
                        known.asset_id,
                        known.group,
                        known.digest,
                        known.relatives | facts.relatives,
                    )
                found[facts.asset_id] = facts


def _facts(row: Document) -> AssetFacts:
    return AssetFacts(
        asset_id=row["_id"],
        group=Group(row["dataset_id"], row["group"]),
        digest=row["digest"],
        relatives=frozenset(row["relatives"]),
    )


def _batches(names: list[str]) -> Iterable[list[str]]:
    return (names[first : first + _NAMES_A_QUERY] for first in range(0, len(names), _NAMES_A_QUERY))
