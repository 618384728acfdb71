"""The client: one object for the whole platform."""

from types import TracebackType

from wakeline_sdk._async.changes import AsyncChanges, AsyncWebhooks
from wakeline_sdk._async.datasets import AsyncAssets, AsyncDatasets
from wakeline_sdk._async.exams import AsyncExams
from wakeline_sdk._async.exchange import AsyncExchange
from wakeline_sdk._async.imports import AsyncImports, AsyncSources
from wakeline_sdk._async.labeling import AsyncLabels, AsyncLeases
from wakeline_sdk._async.lineage import AsyncLineage
from wakeline_sdk._async.operations import AsyncOperations
from wakeline_sdk._async.predictions import AsyncPredictions
from wakeline_sdk._async.projects import AsyncPeople, AsyncProjects, AsyncTeams
from wakeline_sdk._async.reviews import AsyncReviews
from wakeline_sdk._async.tasks import AsyncTasks
from wakeline_sdk._async.training import AsyncDatasetVersions, AsyncModels, AsyncRuns
from wakeline_sdk._async.transport import ATTEMPTS, AsyncTransport


class AsyncClient:
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
        self._transport = AsyncTransport(url, token, timeout=timeout, attempts=attempts)
        self.datasets = AsyncDatasets(self._transport)
        self.assets = AsyncAssets(self._transport)
        self.sources = AsyncSources(self._transport)
        self.imports = AsyncImports(self._transport)
        self.projects = AsyncProjects(self._transport)
        self.teams = AsyncTeams(self._transport)
        self.people = AsyncPeople(self._transport)
        self.tasks = AsyncTasks(self._transport)
        self.exams = AsyncExams(self._transport)
        self.leases = AsyncLeases(self._transport)
        self.labels = AsyncLabels(self._transport)
        self.reviews = AsyncReviews(self._transport)
        self.predictions = AsyncPredictions(self._transport)
        self.runs = AsyncRuns(self._transport)
        self.models = AsyncModels(self._transport)
        self.dataset_versions = AsyncDatasetVersions(self._transport)
        self.changes = AsyncChanges(self._transport)
        self.webhooks = AsyncWebhooks(self._transport)
        self.lineage = AsyncLineage(self._transport)
        self.operations = AsyncOperations(self._transport)
        self.exchange = AsyncExchange(
            self.datasets, self.assets, self.projects, self.labels, self.predictions
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._transport.aclose()

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()
