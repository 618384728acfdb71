"""One transaction of the ingest service on MongoDB."""

from wakeline_ingest.resources import Resources
from wakeline_ingest.store.assets import MongoAssets
from wakeline_ingest.store.datasets import MongoDatasets
from wakeline_ingest.store.imports import MongoImports
from wakeline_ingest.store.library import MongoLibrary
from wakeline_ingest.store.sources import MongoSources
from wakeline_ingest.store.uploads import MongoUploads
from wakeline_messaging import Scope, UnitOfWork


class MongoIngestUnitOfWork(UnitOfWork[Resources]):
    """`wakeline_ingest.ports.IngestUnitOfWork`."""

    def __init__(self, scope: Scope, resources: Resources) -> None:
        super().__init__(scope, resources)
        datasets, assets = self.collection("datasets"), self.collection("assets")
        self.datasets = MongoDatasets(datasets, assets, self.collection("refusals"))
        previews, fingerprints = self.collection("previews"), self.collection("fingerprints")
        self.assets = MongoAssets(assets, previews, fingerprints)
        self.library = MongoLibrary(datasets, assets, previews, fingerprints)
        self.sources = MongoSources(self.collection("sources"), self.collection("objects"))
        self.imports = MongoImports(self.collection("imports"), self.collection("import_lines"))
        self.uploads = MongoUploads(self.collection("uploads"))

    def dequeue(self, kind: str, job_id: str) -> None:
        """Take a job back; who runs it notices, and what it stores then is refused."""
        self.collection("jobs").delete({"_id": f"{kind}:{job_id}"})
