"""The unit of work of this service: a store for every aggregate, in one transaction."""

from wakeline_labeling import ports
from wakeline_labeling.resources import Resources
from wakeline_labeling.store.assets import MongoAssets
from wakeline_labeling.store.labels import (
    MongoBenchmarks,
    MongoDrafts,
    MongoLabels,
    MongoPrelabels,
)
from wakeline_labeling.store.projects import MongoProjects
from wakeline_labeling.store.slots import MongoSlots
from wakeline_labeling.store.tasks import MongoTasks
from wakeline_labeling.store.teams import MongoTeams
from wakeline_messaging import Scope, UnitOfWork


class LabelingUnitOfWork(UnitOfWork[Resources]):
    """What use cases load from, store to and emit through."""

    def __init__(self, scope: Scope, resources: Resources) -> None:
        super().__init__(scope, resources)
        self.projects: ports.Projects = MongoProjects(
            self.collection("projects"),
            self.collection("project_versions"),
            self.collection("stages"),
            self.collection("datasets"),
            resources.projects,
            self.now,
        )
        self.teams: ports.Teams = MongoTeams(self.collection("teams"), self.collection("people"))
        self.assets: ports.Assets = MongoAssets(
            self.collection("assets"), self.collection("groups")
        )
        self.tasks: ports.Tasks = MongoTasks(self.collection("tasks"))
        self.slots: ports.Slots = MongoSlots(self.collection("slots"))
        self.prelabels: ports.Prelabels = MongoPrelabels(self.collection("prelabels"))
        self.labels: ports.Labels = MongoLabels(self.collection("labels"))
        self.drafts: ports.Drafts = MongoDrafts(self.collection("drafts"))
        self.benchmarks: ports.Benchmarks = MongoBenchmarks(self.collection("benchmarks"))

    async def arm_secret(self) -> bytes:
        """The key that arms are drawn with; the first migration has made it."""
        row = await self.collection("secrets").find_one({"_id": "arms"})
        if row is None:
            raise RuntimeError("the database has no secret for arms: run `migrate`")
        return bytes(row["key"])
