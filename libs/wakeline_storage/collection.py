"""A collection inside one unit of work: writes are gathered, and sent as one bulk write."""

from collections.abc import Mapping, Sequence
from typing import Any

from pymongo import (
    DeleteMany,
    DeleteOne,
    InsertOne,
    ReplaceOne,
    ReturnDocument,
    UpdateMany,
    UpdateOne,
)
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.collection import AsyncCollection

Document = dict[str, Any]
Filter = Mapping[str, Any]
Update = Mapping[str, Any] | Sequence[Mapping[str, Any]]
Sort = Sequence[tuple[str, int]]


class BufferedCollection:
    """Reads and writes of one transaction on one collection.

    Writes wait for :meth:`flush`, so that a batch of two hundred events costs one round trip a
    collection; a read sends what waits first, so that a handler always sees the writes of the
    handlers before it.
    """

    def __init__(
        self, collection: AsyncCollection[Document], session: AsyncClientSession | None
    ) -> None:
        self._collection = collection
        self._session = session
        self._writes: list[Any] = []
        self.asked = 0
        """How many writes were ever asked for."""

    def _add(self, write: Any) -> None:
        self._writes.append(write)
        self.asked += 1

    async def flush(self) -> None:
        """Send all waiting writes in their order."""
        if self._writes:
            writes, self._writes = self._writes, []
            await self._collection.bulk_write(writes, ordered=True, session=self._session)

    async def find_one(
        self, filter: Filter, projection: Mapping[str, Any] | None = None, sort: Sort | None = None
    ) -> Document | None:
        """The first document that fits, or None."""
        await self.flush()
        return await self._collection.find_one(filter, projection, sort=sort, session=self._session)

    async def find(
        self,
        filter: Filter,
        projection: Mapping[str, Any] | None = None,
        sort: Sort | None = None,
        limit: int = 0,
        hint: str | None = None,
    ) -> list[Document]:
        """All documents that fit, at most ``limit`` of them (0: no limit)."""
        await self.flush()
        cursor = self._collection.find(
            filter, projection, sort=sort, limit=limit, hint=hint, session=self._session
        )
        return await cursor.to_list()

    async def find_one_and_update(
        self,
        filter: Filter,
        update: Update,
        *,
        sort: Sort | None = None,
        upsert: bool = False,
        return_after: bool = True,
        projection: Mapping[str, Any] | None = None,
        hint: str | None = None,
    ) -> Document | None:
        """Change the first document that fits, at once, and return it."""
        await self.flush()
        self.asked += 1
        return await self._collection.find_one_and_update(
            filter,
            update,
            projection=projection,
            sort=sort,
            upsert=upsert,
            return_document=ReturnDocument.AFTER if return_after else ReturnDocument.BEFORE,
            hint=hint,
            session=self._session,
        )

    async def aggregate(self, pipeline: Sequence[Mapping[str, Any]]) -> list[Document]:
        """The documents that an aggregation pipeline yields."""
        await self.flush()
        cursor = await self._collection.aggregate(pipeline, session=self._session)
        return await cursor.to_list()

    async def count(self, filter: Filter, limit: int = 0) -> int:
        """How many documents fit, counted up to ``limit`` (0: all)."""
        await self.flush()
        bound = {"limit": limit} if limit else {}
        return await self._collection.count_documents(filter, session=self._session, **bound)

    async def distinct(self, field: str, filter: Filter) -> list[Any]:
        """The different values of a field."""
        await self.flush()
        return await self._collection.distinct(field, filter, session=self._session)

    def insert(self, document: Document) -> None:
        """Add a document; a duplicate key fails the transaction."""
        self._add(InsertOne(document))

    def update(self, filter: Filter, update: Update, *, upsert: bool = False) -> None:
        """Change one document."""
        self._add(UpdateOne(filter, update, upsert=upsert))

    def update_many(self, filter: Filter, update: Update) -> None:
        """Change all documents that fit."""
        self._add(UpdateMany(filter, update))

    def replace(self, filter: Filter, document: Document, *, upsert: bool = False) -> None:
        """Put a document in the place of another."""
        self._add(ReplaceOne(filter, document, upsert=upsert))

    def delete(self, filter: Filter) -> None:
        """Remove one document."""
        self._add(DeleteOne(filter))

    def delete_many(self, filter: Filter) -> None:
        """Remove all documents that fit."""
        self._add(DeleteMany(filter))
