"""One transaction of the training service, with a store for each aggregate."""

from wakeline_messaging import Scope, UnitOfWork
from wakeline_training.resources import Resources
from wakeline_training.store.assets import AssetStore
from wakeline_training.store.labels import BenchmarkStore, LabelStore
from wakeline_training.store.predictions import PredictionStore
from wakeline_training.store.records import DatasetVersionStore, ModelStore, RunStore
from wakeline_training.store.splits import SplitStore
from wakeline_training.store.stages import StageStore
from wakeline_training.store.withdrawals import WithdrawalStore


class MongoTrainingUnitOfWork(UnitOfWork[Resources]):
    """The port ``TrainingUnitOfWork`` on MongoDB."""

    def __init__(self, scope: Scope, resources: Resources) -> None:
        super().__init__(scope, resources)
        self.stages = StageStore(self.collection("stages"))
        self.labels = LabelStore(self.collection("labels"))
        self.benchmarks = BenchmarkStore(self.collection("benchmarks"))
        self.assets = AssetStore(self.collection("assets"))
        self.withdrawals = WithdrawalStore(self.collection("withdrawals"))
        self.splits = SplitStore(self.collection("datasets"), self.collection("splits"))
        self.predictions = PredictionStore(self.collection("holdout_predictions"))
        self.runs = RunStore(self.collection("runs"))
        self.models = ModelStore(self.collection("models"))
        self.dataset_versions = DatasetVersionStore(self.collection("dataset_versions"))

    async def write(self) -> None:
        """Send stages as well as what waits in the collections."""
        self.stages.flush()
        await super().write()
