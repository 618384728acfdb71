"""Who is told what happens: the collection ``webhooks``."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from wakeline_lineage.domain.webhooks import Webhook
from wakeline_storage import BufferedCollection, Document


class MongoWebhooks:
    """One row a receiver."""

    def __init__(self, rows: BufferedCollection) -> None:
        self._rows = rows

    async def count(self) -> int:
        """How many there are."""
        return await self._rows.count({})

    async def get(self, webhook_id: str) -> Webhook | None:
        """One receiver, if it is there."""
        row = await self._rows.find_one({"_id": webhook_id})
        return _webhook(row) if row else None

    async def all(self) -> list[Webhook]:
        """Every receiver, oldest first."""
        rows = await self._rows.find({}, sort=[("created_at", 1), ("_id", 1)])
        return [_webhook(row) for row in rows]

    async def enabled(self) -> list[Webhook]:
        """Every receiver that is switched on."""
        return [_webhook(row) for row in await self._rows.find({"enabled": True})]

    def put(self, webhook: Webhook) -> None:
        """Keep a receiver as the operator wants it."""
        self._rows.replace({"_id": webhook.id}, _document(webhook), upsert=True)

    async def progress(
        self, webhook_id: str, revision: int, changes: Mapping[str, Any]
    ) -> Webhook | None:
        """Remember how far a receiver is; None if it is gone, off, or moved by the operator."""
        stored = dict(changes) | {"done": sorted(changes["done"])}
        row = await self._rows.find_one_and_update(
            {"_id": webhook_id, "revision": revision, "enabled": True}, {"$set": stored}
        )
        return _webhook(row) if row else None

    def delete(self, webhook_id: str) -> None:
        """Forget a receiver."""
        self._rows.delete({"_id": webhook_id})


def _document(webhook: Webhook) -> Document:
    row = asdict(webhook)
    row["_id"] = row.pop("id")
    return row | {"types": list(webhook.types), "done": sorted(webhook.done)}


def _webhook(row: Document) -> Webhook:
    known = {name: value for name, value in row.items() if name != "_id"}
    known |= {"types": tuple(row["types"]), "done": frozenset(row["done"])}
    return Webhook(id=row["_id"], **known)
