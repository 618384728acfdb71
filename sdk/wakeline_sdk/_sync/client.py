"""The client: one object for the whole platform."""

from types import TracebackType

from wakeline_sdk._sync.changes import Changes, Webhooks
from wakeline_sdk._sync.datasets import Assets, Datasets
from wakeline_sdk._sync.exams import Exams
from wakeline_sdk._sync.exchange import Exchange
from wakeline_sdk._sync.imports import Imports, Sources
from wakeline_sdk._sync.labeling import Labels, Leases
from wakeline_sdk._sync.lineage import Lineage
from wakeline_sdk._sync.operations import Operations
from wakeline_sdk._sync.predictions import Predictions
from wakeline_sdk._sync.projects import People, Projects, Teams
from wakeline_sdk._sync.reviews import Reviews
from wakeline_sdk._sync.tasks import Tasks
from wakeline_sdk._sync.training import DatasetVersions, Models, Runs
from wakeline_sdk._sync.transport import ATTEMPTS, Transport


class Client:
    """Everything the platform offers to a token.

    Parameters
    ----------
    url
        Of the platform, or of any one of its services.
    token
        What ``wakeline token`` or the company's identity provider issued.
    timeout
        Seconds to wait for an answer.
    attempts
        How often a request is sent at most while the platform does not answer.
    """

    def __init__(
        self, url: str, token: str, *, timeout: float = 60.0, attempts: int = ATTEMPTS
    ) -> None:
        self._transport = Transport(url, token, timeout=timeout, attempts=attempts)
        self.datasets = Datasets(self._transport)
        self.assets = Assets(self._transport)
        self.sources = Sources(self._transport)
        self.imports = Imports(self._transport)
        self.projects = Projects(self._transport)
        self.teams = Teams(self._transport)
        self.people = People(self._transport)
        self.tasks = Tasks(self._transport)
        self.exams = Exams(self._transport)
        self.leases = Leases(self._transport)
        self.labels = Labels(self._transport)
        self.reviews = Reviews(self._transport)
        self.predictions = Predictions(self._transport)
        self.runs = Runs(self._transport)
        self.models = Models(self._transport)
        self.dataset_versions = DatasetVersions(self._transport)
        self.changes = Changes(self._transport)
        self.webhooks = Webhooks(self._transport)
        self.lineage = Lineage(self._transport)
        self.operations = Operations(self._transport)
        self.exchange = Exchange(
            self.datasets, self.assets, self.projects, self.labels, self.predictions
        )

    def close(self) -> None:
        """Close all connections."""
        self._transport.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
