"""The unit of work of this service: a store for every aggregate, in one transaction."""

from functools import cached_property

from wakeline_labeling import ports
from wakeline_labeling.resources import Resources
from wakeline_labeling.store.admission import MongoExams, MongoOpenLeases
from wakeline_labeling.store.assets import MongoAssets
from wakeline_labeling.store.labels import (
    MongoBenchmarks,
    MongoDrafts,
    MongoLabels,
    MongoPrelabels,
)
from wakeline_labeling.store.projects import MongoProjects
from wakeline_labeling.store.queue import MongoSlotQueue
from wakeline_labeling.store.search import MongoActions, MongoSteering, MongoTaskSearch
from wakeline_labeling.store.slots import MongoSlots
from wakeline_labeling.store.tasks import MongoTasks
from wakeline_labeling.store.teams import MongoTeams
from wakeline_messaging import UnitOfWork


class LabelingUnitOfWork(UnitOfWork[Resources]):
    """What use cases load from, store to and emit through.

    A store is made when it is first asked for: most requests need two of the nine.
    """

    @cached_property
    def projects(self) -> ports.Projects:
        return MongoProjects(self.collection, self.resources.projects, self.now)

    @cached_property
    def teams(self) -> ports.Teams:
        return MongoTeams(self.collection("teams"), self.collection("people"))

    @cached_property
    def assets(self) -> ports.Assets:
        return MongoAssets(self.collection("assets"), self.collection("groups"))

    @cached_property
    def tasks(self) -> ports.Tasks:
        return MongoTasks(self.collection("tasks"))

    @cached_property
    def slots(self) -> ports.Slots:
        return MongoSlots(self.collection("slots"))

    @cached_property
    def queue(self) -> ports.SlotQueue:
        return MongoSlotQueue(self.collection("slots"))

    @cached_property
    def prelabels(self) -> ports.Prelabels:
        return MongoPrelabels(self.collection("prelabels"))

    @cached_property
    def labels(self) -> ports.Labels:
        return MongoLabels(self.collection("labels"))

    @cached_property
    def drafts(self) -> ports.Drafts:
        return MongoDrafts(self.collection("drafts"))

    @cached_property
    def benchmarks(self) -> ports.Benchmarks:
        return MongoBenchmarks(self.collection("benchmarks"))

    @cached_property
    def exams(self) -> ports.Exams:
        return MongoExams(self.collection("exams"), self.collection("slots"))

    @cached_property
    def leases(self) -> ports.OpenLeases:
        return MongoOpenLeases(self.collection("slots"))

    @cached_property
    def search(self) -> ports.TaskSearch:
        return MongoTaskSearch(*(self.collection(name) for name in ("tasks", "labels", "slots")))

    @cached_property
    def actions(self) -> ports.Actions:
        return MongoActions(self.collection("actions"))

    @cached_property
    def steering(self) -> ports.Steering:
        return MongoSteering(self.collection("tasks"), self.collection("slots"))

    async def arm_secret(self) -> bytes:
        """The key that arms are drawn with; the first migration has made it."""
        row = await self.collection("secrets").find_one({"_id": "arms"})
        if row is None:
            raise RuntimeError("the database has no secret for arms: run `migrate`")
        return bytes(row["key"])
