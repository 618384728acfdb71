"""Datasets, and the report of what they refused, in MongoDB."""

from collections.abc import Sequence

from wakeline_events.base import DatasetId
from wakeline_ingest.domain.records import Counts, DatasetRecord
from wakeline_ingest.ports import Refusal
from wakeline_ingest.store import documents
from wakeline_storage import BufferedCollection


class MongoDatasets:
    """`wakeline_ingest.ports.Datasets`."""

    def __init__(
        self, datasets: BufferedCollection, assets: BufferedCollection, refusals: BufferedCollection
    ) -> None:
        self._datasets = datasets
        self._assets = assets
        self._refusals = refusals

    async def get(self, dataset_id: DatasetId) -> DatasetRecord | None:
        """The dataset of this name."""
        row = await self._datasets.find_one({"_id": dataset_id})
        return documents.dataset_from(row) if row else None

    async def create(self, dataset: DatasetRecord) -> DatasetRecord:
        """Write a dataset down, unless somebody else just did; return what is there."""
        document = documents.of_dataset(dataset)
        name = document.pop("_id")
        row = await self._datasets.find_one_and_update(
            {"_id": name}, {"$setOnInsert": document}, upsert=True
        )
        assert row is not None
        return documents.dataset_from(row)

    async def take_turn(self, dataset_id: DatasetId, turn: int) -> bool:
        """Begin the next turn of placing assets, unless ``turn`` is over."""
        held = {"_id": dataset_id, "turn": turn}
        return await self._datasets.find_one_and_update(held, {"$inc": {"turn": 1}}) is not None

    async def next_turn(self, dataset_id: DatasetId) -> None:
        """Begin the next turn: what was decided in this one is not written."""
        await self._datasets.find_one_and_update({"_id": dataset_id}, {"$inc": {"turn": 1}})

    async def page(self, after: DatasetId | None, limit: int) -> list[DatasetRecord]:
        """Datasets in the order of their names, behind ``after``."""
        wanted = {"_id": {"$gt": after}} if after is not None else {}
        rows = await self._datasets.find(wanted, sort=[("_id", 1)], limit=limit)
        return [documents.dataset_from(row) for row in rows]

    async def counts(self, dataset_ids: Sequence[DatasetId]) -> dict[DatasetId, Counts]:
        """Count files; counters on the dataset would make every upload wait for every other."""
        wanted = {"$match": {"dataset_id": {"$in": list(dataset_ids)}}}
        assets = await self._assets.aggregate(
            [
                wanted,
                {
                    "$group": {
                        "_id": "$dataset_id",
                        "received": {"$sum": 1},
                        "ingested": {"$sum": {"$cond": [{"$eq": ["$state", "ingested"]}, 1, 0]}},
                        "bytes": {"$sum": "$bytes"},
                    }
                },
            ]
        )
        refused = await self._refusals.aggregate(
            [wanted, {"$group": {"_id": "$dataset_id", "refused": {"$sum": 1}}}]
        )
        found: dict[DatasetId, dict[str, int]] = {name: {} for name in dataset_ids}
        for row in assets + refused:
            found[row.pop("_id")].update(row)
        return {name: Counts(**counts) for name, counts in found.items()}

    def refuse(self, refusal: Refusal) -> None:
        """Add a line to the dataset's report."""
        document = documents.of_refusal(refusal)
        self._refusals.replace({"_id": document["_id"]}, document, upsert=True)

    async def refusals(
        self, dataset_id: DatasetId, after: str | None, limit: int
    ) -> list[tuple[str, Refusal]]:
        """Lines of the report with their positions, behind ``after``."""
        wanted: dict[str, object] = {"dataset_id": dataset_id}
        if after is not None:
            wanted["_id"] = {"$gt": after}
        rows = await self._refusals.find(wanted, sort=[("_id", 1)], limit=limit)
        return [(row["_id"], documents.refusal_from(row)) for row in rows]
