"""MongoDB as every service uses it: one connection, short transactions, versioned migrations."""

from wakeline_storage.collection import BufferedCollection, Document
from wakeline_storage.connection import (
    ANSWER_WITHIN,
    MongoSettings,
    NoPrimaryError,
    connect,
    require_primary,
)
from wakeline_storage.migrations import DatabaseIsNewerError, Migration, migrate, version_of
from wakeline_storage.transactions import (
    STORE_UNAVAILABLE,
    Transactions,
    TransactionTimeoutError,
    store_is_away,
)

__all__ = [
    "ANSWER_WITHIN",
    "STORE_UNAVAILABLE",
    "BufferedCollection",
    "DatabaseIsNewerError",
    "Document",
    "Migration",
    "MongoSettings",
    "NoPrimaryError",
    "TransactionTimeoutError",
    "Transactions",
    "connect",
    "migrate",
    "require_primary",
    "store_is_away",
    "version_of",
]
