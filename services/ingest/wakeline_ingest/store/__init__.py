"""The service's records in MongoDB."""

from wakeline_ingest.store.unit_of_work import MongoIngestUnitOfWork

__all__ = ["MongoIngestUnitOfWork"]
