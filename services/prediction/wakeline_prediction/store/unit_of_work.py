"""One transaction of the prediction service, with a store for each aggregate."""

from wakeline_messaging import Scope, UnitOfWork
from wakeline_prediction.resources import Resources
from wakeline_prediction.store.predictions import PredictionStore
from wakeline_prediction.store.stages import ServingStore, StageStore
from wakeline_prediction.store.targets import TargetStore
from wakeline_prediction.store.uploads import UploadStore
from wakeline_prediction.store.withdrawals import WithdrawalStore


class MongoPredictionUnitOfWork(UnitOfWork[Resources]):
    """The port ``PredictionUnitOfWork`` on MongoDB."""

    def __init__(self, scope: Scope, resources: Resources) -> None:
        super().__init__(scope, resources)
        self.stages = StageStore(self.collection("stages"))
        self.servings = ServingStore(self.collection("servings"))
        self.targets = TargetStore(self.collection("targets"))
        self.uploads = UploadStore(self.collection("uploads"), self.now)
        self.withdrawals = WithdrawalStore(self.collection("withdrawals"))
        self.predictions = PredictionStore(self.collection("predictions"))
