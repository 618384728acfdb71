"""The lineage service's unit of work on MongoDB."""

from functools import cached_property

from wakeline_lineage.resources import Resources
from wakeline_lineage.store.graph import MongoGraph
from wakeline_lineage.store.history import MongoHistory
from wakeline_lineage.store.webhooks import MongoWebhooks
from wakeline_messaging import UnitOfWork


class MongoLineageUnitOfWork(UnitOfWork[Resources]):
    """One transaction on the lineage service's database."""

    @cached_property
    def history(self) -> MongoHistory:
        """Every event, in the order in which it was taken in."""
        return MongoHistory(self.collection("history"), self.collection("counters"))

    @cached_property
    def graph(self) -> MongoGraph:
        """What came of what."""
        return MongoGraph(
            self.collection("nodes"), self.collection("edges"), self.collection("members")
        )

    @cached_property
    def webhooks(self) -> MongoWebhooks:
        """Who is told what happens."""
        return MongoWebhooks(self.collection("webhooks"))

    def wake(self, kind: str) -> None:
        """Ask for the one job of a kind, also if it was given up before."""
        self.enqueue(kind, "all", {})
        given_up = {"_id": f"{kind}:all", "state": "failed"}
        self.collection("jobs").update(given_up, {"$set": {"state": "queued", "attempt": 0}})

    async def write(self) -> None:
        """Give the events their positions, and send all of it."""
        await self.graph.flush(await self.history.flush())
        await super().write()
