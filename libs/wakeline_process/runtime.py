"""What a running process holds: the database, the unit of work and the service's resources."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from pymongo import AsyncMongoClient
from pymongo.asynchronous.client_session import AsyncClientSession

from wakeline_messaging import Scope, Stores, UnitOfWork
from wakeline_process.service import Service
from wakeline_storage import ANSWER_WITHIN, Transactions, connect, require_primary

T = TypeVar("T")

Mongo = AsyncMongoClient[dict[str, Any]]


@dataclass(frozen=True)
class Runtime:
    """A service with its connections open."""

    service: Service[Any, Any]
    client: Mongo
    stores: Stores
    resources: Any
    bell: asyncio.Event
    """Rings when an event was written to the outbox, a moment before its transaction commits."""
    _shared: dict[Callable[[Stores], Any], Any] = field(default_factory=dict)

    def shared(self, make: Callable[[Stores], T]) -> T:
        """What all requests of this process share: made when it is first asked for."""
        if make not in self._shared:
            self._shared[make] = make(self.stores)
        found: T = self._shared[make]
        return found

    @property
    def database(self) -> Any:
        """The service's own database."""
        return self.client[self.service.settings.mongo.database]

    async def check_mongo(self) -> None:
        """Raises unless the primary answers."""
        await require_primary(self.client)


@asynccontextmanager
async def open_runtime(
    service: Service[Any, Any], answer_within: timedelta | None = ANSWER_WITHIN
) -> AsyncIterator[Runtime]:
    """Open a service's connections, and close them at the end; limits are those of `connect`."""
    client: Mongo = connect(service.settings.mongo, answer_within)
    database = client[service.settings.mongo.database]
    bell = asyncio.Event()
    try:
        async with service.resources() as resources:

            def unit_of_work(session: AsyncClientSession | None, now: datetime) -> UnitOfWork[Any]:
                unit: UnitOfWork[Any] = service.unit_of_work(
                    Scope(service.name, database, session, now, bell), resources
                )
                return unit

            stores = Stores(Transactions(client), unit_of_work)
            yield Runtime(service, client, stores, resources, bell)
    finally:
        await client.close()
