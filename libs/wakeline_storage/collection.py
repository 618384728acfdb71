"""A collection inside one unit of work: writes are gathered, and sent as one bulk write."""

from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

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
from pymongo.errors import BulkWriteError

Document = dict[str, Any]
Filter = Mapping[str, Any]
Update = Mapping[str, Any] | Sequence[Mapping[str, Any]]
Sort = Sequence[tuple[str, int]]
DUPLICATE = 11000
"""MongoDB's code of a write that a unique index forbids."""
IN_ONE_ANSWER = 10_000
"""Documents that MongoDB may answer a read with at once, up to its 16 MB. By itself it sends 101
and waits to be asked for the rest: one more round trip of every larger read."""


class _Sum(NamedTuple):
    """What is added to the numbers of one document."""

    more: Document
    otherwise: Document
    there: bool | None
    """Whether there is such a document; None: nobody has looked."""


class BufferedCollection:
    """Reads and writes of one transaction on one collection.

    Writes wait for :meth:`flush`, so that a batch of two hundred events costs one round trip a
    collection; a read sends what waits first, so that a handler always sees the writes of the
    handlers before it. A document that was read by its id is remembered until it may have been
    changed here: within a transaction nobody else can change it.

    An upsert of a document that :meth:`preload` or :meth:`existing` did not find is sent as an
    insert, which costs the database a fifth, before all other writes that wait. If somebody else
    has inserted it meanwhile, the transaction conflicts and runs again, and that time finds it.
    Equal sums of documents that they did find are one write.
    """

    def __init__(
        self, collection: AsyncCollection[Document], session: AsyncClientSession | None
    ) -> None:
        self._collection = collection
        self._session = session
        self._writes: list[Any] = []
        self._new: list[Document] = []
        self._sums: dict[str, _Sum] = {}
        self._read: dict[Any, Document | None] = {}
        self._absent: set[Any] = set()
        """Looked for by :meth:`preload` or :meth:`existing`, not found, and not written since."""
        self._there: set[Any] = set()
        """Found by :meth:`existing`, and not written since."""
        self.asked = 0
        """How many writes were ever asked for."""

    def _add(self, write: Any, filter: Filter) -> None:
        self._changed(filter)
        self._writes.append(write)

    def _changed(self, filter: Filter) -> None:
        """Note that a write is asked for, before it waits."""
        self.asked += 1
        named = _id_in(filter)
        if named is None:
            self._read.clear()
            self._absent.clear()
            self._there.clear()
            self._write_sums(list(self._sums))
        else:
            self._read.pop(named, None)
            self._absent.discard(named)
            self._there.discard(named)
            if named in self._sums:
                self._write_sums([named])

    def _write_sums(self, names: Iterable[str]) -> None:
        alike: dict[tuple[tuple[str, int], ...], list[str]] = defaultdict(list)
        for name in names:
            more, otherwise, there = self._sums.pop(name)
            change = {"$inc": more, "$setOnInsert": otherwise}
            if there:
                alike[tuple(more.items())].append(name)
            elif there is False and (new := _made_by(change)) is not None:
                self._new.append({"_id": name, **new})
            else:
                self._writes.append(UpdateOne({"_id": name}, change, upsert=True))
        for sums, those in alike.items():
            self._writes.append(UpdateMany({"_id": {"$in": those}}, {"$inc": dict(sums)}))

    async def preload(self, ids: Iterable[Any]) -> None:
        """Read documents that will be asked for by their ids, all at once."""
        if self._session is not None:
            self._read.update(await self._look_for(set(ids) - self._read.keys()))

    async def existing(self, ids: Iterable[Any]) -> set[Any]:
        """Which of these documents there are; what they say is not read."""
        wanted = set(ids)
        found = await self._look_for(wanted - self._read.keys() - self._there, ("_id",))
        if self._session is None:
            return set(found)
        self._there.update(found)
        return {one for one in wanted if one in self._there or self._read.get(one) is not None}

    async def _look_for(
        self, ids: Collection[Any], fields: Iterable[str] | None = None
    ) -> dict[Any, Document]:
        """Those of these documents that there are, by id; a transaction notes the others."""
        if not ids:
            return {}
        projection = None if fields is None else dict.fromkeys(fields, 1)
        found = {
            row["_id"]: row for row in await self.find({"_id": {"$in": sorted(ids)}}, projection)
        }
        if self._session is not None:
            absent = [one for one in ids if one not in found]
            self._read.update(dict.fromkeys(absent))
            self._absent.update(absent)
        return found

    async def flush(self) -> None:
        """Send all waiting writes in their order."""
        self._write_sums(list(self._sums))
        if self._new:
            new, self._new = self._new, []
            await self._collection.insert_many(new, session=self._session)
        if self._writes:
            writes, self._writes = self._writes, []
            await self._collection.bulk_write(writes, ordered=True, session=self._session)

    async def find_one(
        self, filter: Filter, projection: Mapping[str, Any] | None = None, sort: Sort | None = None
    ) -> Document | None:
        """The first document that fits, or None."""
        named = None if projection else _only_id_in(filter)
        if named is not None and named in self._read:
            remembered = self._read[named]
            return None if remembered is None else dict(remembered)
        await self.flush()
        row = await self._collection.find_one(filter, projection, sort=sort, session=self._session)
        if named is not None and self._session is not None:
            self._read[named] = None if row is None else dict(row)
        return row

    async def by_ids(
        self, ids: Iterable[str], fields: Iterable[str] | None = None
    ) -> dict[str, Document]:
        """Those of these documents that there are, by id; what is remembered is not read again.

        Parameters
        ----------
        fields : what is read of those that are not remembered; None: all, and it is remembered
        """
        wanted = sorted(set(ids))
        if fields is None:
            await self.preload(wanted)
        found = await self._look_for([one for one in wanted if one not in self._read], fields)
        rows = {one: found.get(one) or self._read.get(one) for one in wanted}
        return {one: dict(row) for one, row in rows.items() if row is not None}

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
            filter,
            projection,
            sort=sort,
            limit=limit,
            batch_size=IN_ONE_ANSWER,
            hint=hint,
            session=self._session,
        )
        return await cursor.to_list()

    async def each(
        self, filter: Filter, projection: Mapping[str, Any] | None = None, sort: Sort | None = None
    ) -> AsyncIterator[Document]:
        """All documents that fit, one after the other: for more than should be in memory."""
        await self.flush()
        async for row in self._collection.find(
            filter, projection, sort=sort, session=self._session
        ):
            yield row

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
        self._changed(filter)
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

    async def update_each(
        self, updates: Sequence[tuple[Filter, Update]]
    ) -> dict[int, Mapping[str, Any]]:
        """Change one document for each update, at once and in any order.

        Returns
        -------
        The duplicate keys (``keyPattern``, ``keyValue``) that kept updates from having an effect,
        by their places.
        """
        await self.flush()
        for filter, _ in updates:
            self._changed(filter)
        writes = [UpdateOne(filter, update) for filter, update in updates]
        try:
            await self._collection.bulk_write(writes, ordered=False, session=self._session)
        except BulkWriteError as error:
            refused = error.details["writeErrors"]
            if error.details["writeConcernErrors"] or any(e["code"] != DUPLICATE for e in refused):
                raise
            return {each["index"]: each for each in refused}
        return {}

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
        named = {"_id": document.get("_id")}
        if self._is_absent(named) and not self._writes:
            self._new.append(document)
            self._changed(named)
        else:
            self._add(InsertOne(document), named)

    def update(self, filter: Filter, update: Update, *, upsert: bool = False) -> None:
        """Change one document."""
        if not upsert and _id_in(filter) in self._absent:
            self.asked += 1  # and nothing to do
            return
        if upsert and self._is_absent(filter) and (new := _made_by(update)) is not None:
            self._new.append({**filter, **new})
            self._changed(filter)
            return
        self._add(UpdateOne(filter, update, upsert=upsert), filter)

    def add_up(self, name: str, more: Mapping[str, int], otherwise: Document) -> None:
        """Add to numbers of one document; what many add is sent as one write.

        Parameters
        ----------
        more : what is added, by field; fields of fields are written ``counts.labels``
        otherwise : what else the document holds if it is not there yet
        """
        known = name in self._there or self._read.get(name) is not None
        there = False if name in self._absent else True if known else None
        sums = self._sums.pop(name, None) or _Sum({}, otherwise, there)
        self._changed({"_id": name})
        self._sums[name] = sums
        for field, value in more.items():
            sums.more[field] = sums.more.get(field, 0) + value

    def update_many(self, filter: Filter, update: Update) -> None:
        """Change all documents that fit."""
        self._add(UpdateMany(filter, update), filter)

    def replace(self, filter: Filter, document: Document, *, upsert: bool = False) -> None:
        """Put a document in the place of another."""
        if upsert and self._is_absent(filter):
            self._new.append({**document, **filter})
            self._changed(filter)
        else:
            self._add(ReplaceOne(filter, document, upsert=upsert), filter)
        if upsert and self._session is not None and (named := _only_id_in(filter)) is not None:
            self._read[named] = {**document, "_id": named}

    def _is_absent(self, filter: Filter) -> bool:
        return _only_id_in(filter) in self._absent

    def delete(self, filter: Filter) -> None:
        """Remove one document."""
        self._add(DeleteOne(filter), filter)

    def delete_many(self, filter: Filter) -> None:
        """Remove all documents that fit."""
        self._add(DeleteMany(filter), filter)


def _id_in(filter: Filter) -> str | None:
    """The one id that a filter asks for, if it does."""
    named = filter.get("_id")
    return named if isinstance(named, str) else None


def _only_id_in(filter: Filter) -> str | None:
    """The one id that a filter asks for, if it asks for nothing else."""
    return _id_in(filter) if len(filter) == 1 else None


def _made_by(update: Update) -> Document | None:
    """What an upsert with this update makes of nothing; None if that is not obvious."""
    if not isinstance(update, Mapping) or not update.keys() <= {"$set", "$setOnInsert", "$inc"}:
        return None
    made: Document = {}
    for fields in update.values():
        made.update(fields)
    return None if any("." in field for field in made) else made
