"""Brings the services' databases to this release, as `python -m wakeline_<service> migrate` does.

Six interpreters that each import a whole service would double the time to come up.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

from pydantic import SecretStr

from wakeline_messaging import create_indexes
from wakeline_storage import Migration, MongoSettings, connect, migrate


def database_of(service: str) -> str:
    """The name of a service's own database."""
    return f"wakeline_{service}"


async def migrate_service(service: str, dsn: str) -> list[str]:
    """Run what a service's database lacks; returns the names of the migrations that ran.

    Raises
    ------
    DatabaseIsNewerError
        If a later release has migrated it already.
    """
    migrations: Sequence[Migration] = import_module(f"wakeline_{service}.migrations").MIGRATIONS
    settings = MongoSettings(dsn=SecretStr(dsn), database=database_of(service))
    async with connect(settings, answer_within=None) as client:
        return await migrate(client[settings.database], migrations, create_indexes)
