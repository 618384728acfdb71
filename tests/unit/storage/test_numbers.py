"""Migrations of all services, as one after the other they are applied."""

from importlib import import_module

import pytest

SERVICES = ("ingest", "labeling", "lineage", "prediction", "review", "training")


@pytest.mark.parametrize("service", SERVICES)
def test_migrations_are_numbered_one_by_one(service: str) -> None:
    migrations = import_module(f"wakeline_{service}.migrations").MIGRATIONS
    numbers = [migration.version for migration in migrations]
    assert numbers == list(range(1, len(numbers) + 1))
