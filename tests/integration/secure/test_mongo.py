"""MongoDB by TLS, with a user a service that may do what is documented and nothing more."""

from collections.abc import AsyncIterator
from importlib import import_module

import pytest
import pytest_asyncio
from pymongo.errors import OperationFailure

from wakeline_messaging import create_indexes
from wakeline_storage import connect, migrate, store_is_away
from wakeline_storage.rights import lacking
from wakeline_testing.certificates import Authority
from wakeline_testing.running import SERVICES
from wakeline_testing.secure_mongo import SecureMongo, secure_mongo

from . import documented

pytestmark = pytest.mark.mongo
PASSWORD = "of the service"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SecureMongo]:
    folder = tmp_path_factory.mktemp("secure")
    async with secure_mongo(folder, Authority(folder / "ca")) as found:
        for service in SERVICES:
            roles = documented.mongo(service, "wakeline")
            await found.add(f"wakeline-{service}", PASSWORD, roles)
        await found.add("reader", PASSWORD, [{"role": "read", "db": "wakeline_review"}])
        yield found


@pytest.mark.parametrize("service", SERVICES)
async def test_the_documented_role_is_enough_to_migrate_and_to_work(
    service: str, server: SecureMongo
) -> None:
    settings = server.settings(f"wakeline-{service}", PASSWORD, f"wakeline_{service}")
    migrations = import_module(f"wakeline_{service}.migrations").MIGRATIONS
    async with connect(settings) as client:
        assert await lacking(client, settings.database) == []
        await migrate(client[settings.database], migrations, create_indexes)
        assert await lacking(client, settings.database) == []
        assert await client[settings.database]["outbox"].count_documents({}) == 0


async def test_another_services_database_is_out_of_reach(server: SecureMongo) -> None:
    settings = server.settings("wakeline-review", PASSWORD, "wakeline_labeling")
    async with connect(settings) as client:
        (reason,) = await lacking(client, settings.database)
        with pytest.raises(OperationFailure) as caught:
            await client[settings.database]["outbox"].find_one()
    assert "user 'wakeline-review' may not find, insert," in reason
    assert "database 'wakeline_labeling': grant it the role readWrite there" in reason
    assert store_is_away(caught.value), "nothing may be given up for it"


async def test_who_may_only_read_is_told_what_is_missing(server: SecureMongo) -> None:
    settings = server.settings("reader", PASSWORD, "wakeline_review")
    async with connect(settings) as client:
        (reason,) = await lacking(client, settings.database)
    assert "may not insert, update, remove, createCollection, createIndex, dropIndex in" in reason


async def test_a_wrong_password_is_told(server: SecureMongo) -> None:
    settings = server.settings("wakeline-review", "wrong", "wakeline_review")
    async with connect(settings) as client:
        assert await lacking(client, settings.database) == [
            "MongoDB refuses this user: it does not know it, or by another password"
        ]


async def test_a_server_that_nobody_vouches_for_is_not_spoken_to(
    server: SecureMongo, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = Authority(tmp_path_factory.mktemp("other"))
    settings = server.settings("wakeline-review", PASSWORD, "wakeline_review")
    async with connect(settings.model_copy(update={"ca_file": other.ca_file})) as client:
        (reason,) = await lacking(client, settings.database)
    assert "certificate" in reason
