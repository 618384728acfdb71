"""Exactly the documented rights are enough, and one that is missing is named."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pydantic import SecretStr

from wakeline_blobs import probing
from wakeline_events.base import ServiceName
from wakeline_messaging import create_indexes, create_topics, topics
from wakeline_messaging.rights import Operation, Right
from wakeline_process.checking import findings, needless
from wakeline_process.processes import Kind, open_process
from wakeline_process.runtime import open_runtime
from wakeline_storage import migrate
from wakeline_testing.running import SERVICES, Publisher, RunningService
from wakeline_testing.topics import delete

from ..lineage.loop import example
from . import documented
from .stores import PASSWORD, SecureStores

pytestmark = [pytest.mark.kafka, pytest.mark.mongo, pytest.mark.s3]


def sentence(user: str, right: Right) -> str:
    """What is said of a right that is missing."""
    return (
        f"Kafka user '{user}' may not {right.operation.name} {right.resource} '{right.name}': "
        "add an ACL that allows it"
    )


@asynccontextmanager
async def without(stores: SecureStores, user: str, right: Right) -> AsyncIterator[None]:
    """Take one ACL away for a while."""
    await stores.users.take_away(user, right)
    try:
        yield
    finally:
        await stores.users.allow(user, right)


@pytest.mark.parametrize("name", SERVICES)
async def test_the_documented_rights_are_enough_and_each_of_them_is_needed(
    name: ServiceName, stores: SecureStores
) -> None:
    user = stores.user(name)
    rights = documented.kafka(name, stores.scope.topic_prefix)
    assert rights
    async with open_runtime(stores.service(name)) as runtime:

        async def said(expected: list[str]) -> None:
            """An ACL takes effect a moment after it was changed."""
            found = await findings(runtime)
            for _ in range(50):
                if found["kafka"] == expected:
                    break
                await asyncio.sleep(0.1)
                found = await findings(runtime)
            assert found == {"mongo": [], "kafka": expected, "blobs": [], "auth": []}

        await said([])
        assert await needless(runtime) == []
        for right in rights:
            async with without(stores, user, right):
                await said([sentence(user, right)])
            await said([])


@pytest.mark.parametrize("name", SERVICES)
async def test_each_documented_action_on_a_bucket_is_needed(
    name: ServiceName, stores: SecureStores
) -> None:
    admin = stores.minio
    if admin is None:
        pytest.skip(
            "this store's rights stand in its configuration: WAKELINE_TEST_S3 names a MinIO"
        )
    settings = stores.settings(name)["blobs"]
    whole = documented.s3(name, settings.prefix)
    assert await probing.lacking(settings, name) == []
    for number, statement in enumerate(whole["Statement"]):
        for action in statement["Action"]:
            left = [one for one in statement["Action"] if one != action]
            changed = [statement | {"Action": left}] if left else []
            statements = [*whole["Statement"]]
            statements[number : number + 1] = changed
            less = {**whole, "Statement": statements}
            await asyncio.to_thread(admin.policy_add, settings.access_key, None, less)
            reasons = await probing.lacking(settings, name)
            bucket = statement["Resource"][0].removeprefix("arn:aws:s3:::").removesuffix("/*")
            assert reasons, (action, bucket)
            assert all(f"bucket '{bucket}'" in reason for reason in reasons), reasons
            assert any(f"allow it {action} there" in reason for reason in reasons), reasons
    await asyncio.to_thread(admin.policy_add, settings.access_key, None, whole)
    assert await probing.lacking(settings, name) == []


@asynccontextmanager
async def running(
    stores: SecureStores, name: ServiceName, kind: Kind, **other: Any
) -> AsyncIterator[RunningService]:
    """One kind of process of a service, here."""
    service = stores.service(name, **other)
    async with open_runtime(service) as runtime:
        await migrate(runtime.database, service.migrations, create_indexes)
    async with open_process(service, kind) as process:
        parts = asyncio.create_task(process.run_parts())
        try:
            yield RunningService(process, stores.scope)
        finally:
            process.stop.set()
            await parts


async def until(true: Callable[[], Awaitable[object]], what: str) -> None:
    """Wait for something."""
    for _ in range(300):
        if await true():
            return
        await asyncio.sleep(0.1)
    raise TimeoutError(what)


async def readiness(service: RunningService) -> dict[str, str | None]:
    """What the process says of itself."""
    async with service.client("admin") as client:
        answer = (await client.get("/health/ready")).json()
    found: dict[str, str | None] = answer["checks"]
    return found


async def test_a_consumer_without_its_right_says_so_and_goes_on_when_it_is_back(
    stores: SecureStores,
) -> None:
    user = stores.user("review")
    topic, *_ = documented.kafka("review", stores.scope.topic_prefix)
    publisher = Publisher(stores.scope)
    async with running(stores, "review", Kind.CONSUME) as review:

        async def says(reason: str | None) -> bool:
            return (await readiness(review))["consumer"] == reason

        async def taken_in() -> int:
            return int(await review.database["marks"].count_documents({"sequence": 1}))

        await until(lambda: says(None), "it consumes")
        async with without(stores, user, topic):
            await until(lambda: says(sentence(user, topic)), "it says what is missing")
            await publisher.publish(example("team.configured", team_id="crew"))
            assert not await taken_in()
        await until(taken_in, "it goes on")
        assert await says(None)
        for kept in ("dead", "parked", "waiting"):
            assert await review.database[kept].count_documents({}) == 0


@pytest.mark.parametrize(
    ("kind", "check", "name"),
    [(Kind.CONSUME, "consumer", "labeling"), (Kind.RELAY, "relay", "review")],
)
async def test_a_topic_that_nobody_made_is_told_and_waited_for(
    kind: Kind, check: str, name: str, stores: SecureStores
) -> None:
    prefix = f"{stores.scope.name}-{kind}"
    user, topic = stores.user("review"), f"{prefix}.{name}"
    await stores.users.allow(user, *documented.kafka("review", prefix))
    kafka = stores.settings("review")["kafka"].model_copy(update={"topic_prefix": prefix})
    async with running(stores, "review", kind, kafka=kafka) as review:

        async def says(reason: str | None) -> bool:
            return (await readiness(review))[check] == reason

        missing = f"there is no Kafka topic '{topic}': create it, no service does"
        await until(lambda: says(missing), missing)
        administrator = stores.kafka.model_copy(update={"topic_prefix": prefix})
        assert topic in await create_topics(administrator)
        await until(lambda: says(None), "it goes on")
    await delete(stores.scope.kafka_bootstrap, topics(administrator))


async def test_a_user_who_may_more_is_told_of(stores: SecureStores) -> None:
    user, other = stores.user("review"), f"{stores.scope.topic_prefix}.training"
    more = Right("topic", other, Operation.WRITE)
    await stores.users.allow(user, more)
    await stores.mongo.add("both", PASSWORD, [{"role": "readWriteAnyDatabase", "db": "admin"}])
    settings = stores.settings("review")["mongo"]
    everywhere = settings.model_copy(update={"username": "both"})
    async with open_runtime(stores.service("review", mongo=everywhere)) as runtime:

        async def told() -> bool:
            return await needless(runtime) == [
                "this MongoDB user may write in every database",
                f"this Kafka user may WRITE topic '{other}'",
            ]

        await until(told, "what it may do beside its work")
    await stores.users.take_away(user, more)


async def test_a_wrong_password_is_told_where_readiness_is(stores: SecureStores) -> None:
    kafka = stores.settings("review")["kafka"]
    wrong = kafka.model_copy(update={"password": SecretStr("wrong")})
    reason = (
        f"Kafka at {wrong.bootstrap} is out of reach: it does not know the user "
        f"'{stores.user('review')}', or by another password"
    )
    async with running(stores, "review", Kind.CONSUME, kafka=wrong) as review:

        async def says() -> bool:
            found = await readiness(review)
            return found["consumer"] == reason and reason in (found["kafka"] or "")

        await until(says, reason)


async def test_a_relay_without_its_right_says_so_and_sends_when_it_is_back(
    stores: SecureStores,
) -> None:
    user = stores.user("labeling")
    write = documented.kafka("labeling", stores.scope.topic_prefix)[-1]
    async with running(stores, "labeling", Kind.ALL) as labeling:

        async def says(reason: str | None) -> bool:
            return (await readiness(labeling))["relay"] == reason

        async def all_sent() -> bool:
            return not await labeling.database["outbox"].count_documents({})

        async with without(stores, user, write), labeling.client("admin") as client:
            answer = await client.put("/v1/teams/crew", json={"name": "Crew", "kind": "vendor"})
            assert answer.is_success, answer.text
            await until(lambda: says(sentence(user, write)), "it says what is missing")
            assert not await all_sent()
        await until(all_sent, "it sends")
        assert await says(None)
