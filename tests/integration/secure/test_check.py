"""What ``check`` says about stores that lack nothing, that lack a right, and that are away."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest
from pydantic import SecretStr

from wakeline_blobs import BUCKETS, Blobs, probing
from wakeline_blobs.errors import BlobStoreUnavailableError
from wakeline_lineage.settings import Settings
from wakeline_lineage.wiring import service
from wakeline_process.checking import findings
from wakeline_process.runtime import open_runtime
from wakeline_testing import Scope
from wakeline_testing.certificates import Authority
from wakeline_testing.fronts import tls_front
from wakeline_testing.running import ISSUER, SERVICES, settings_of

pytestmark = [pytest.mark.kafka, pytest.mark.mongo, pytest.mark.s3]


@pytest.fixture
async def provided(scope: Scope) -> Scope:
    """A corner in which a platform team has made what services do not make."""
    await scope.make_buckets(*BUCKETS)
    await scope.make_topics(*SERVICES)
    return scope


@pytest.mark.parametrize("name", SERVICES)
async def test_a_services_own_credential_is_enough_and_another_ones_is_not(
    name: str, provided: Scope
) -> None:
    own = provided.blobs(name)
    if own.access_key == provided.blobs().access_key:
        pytest.skip("this store was given with one credential for all")
    assert await probing.lacking(own, name) == []
    assert await probing.needless(own, name) == []
    assert [key async for key in _everything(provided)] == [], "a check leaves nothing behind"

    stranger = provided.blobs("lineage" if name != "lineage" else "ingest")
    reasons = await probing.lacking(stranger, name)
    assert f"S3 key '{stranger.access_key}' may not list objects in bucket" in reasons[0]
    assert "allow it s3:ListBucket there" in reasons[0]
    admin = provided.blobs()
    assert await probing.needless(admin, "review") == [
        f"{provided.name}-{bucket}" for bucket in ("datasets", "models")
    ]


async def _everything(scope: Scope) -> AsyncIterator[str]:
    async with Blobs(scope.blobs()) as blobs:
        for bucket in BUCKETS:
            async for found in blobs.list(bucket):
                yield found.key


async def test_the_command_names_each_store_and_fails_if_one_is_not_right(
    provided: Scope, tmp_path: Path
) -> None:
    settings = settings_of(provided, "lineage", Settings)
    secrets = {
        "MONGO__DSN": settings.mongo.dsn.get_secret_value(),
        "BLOBS__ACCESS_KEY": settings.blobs.access_key,
        "BLOBS__SECRET_KEY": settings.blobs.secret_key.get_secret_value(),
    }
    for name, secret in secrets.items():
        (tmp_path / name).write_text(secret)
    variables = {
        "MONGO__DATABASE": settings.mongo.database,
        "KAFKA__BOOTSTRAP": settings.kafka.bootstrap,
        "KAFKA__TOPIC_PREFIX": settings.kafka.topic_prefix,
        "BLOBS__ENDPOINT": settings.blobs.endpoint,
        "BLOBS__PREFIX": settings.blobs.prefix,
        "AUTH__ISSUER": ISSUER.issuer,
        "AUTH__JWKS": orjson.dumps(ISSUER.jwks()).decode(),
        "HTTP__PORT": "1",
    }
    env = {f"WAKELINE_LINEAGE_{name}": value for name, value in variables.items()}
    env["WAKELINE_SECRETS_DIR"] = str(tmp_path)
    code, said = await _check(env)
    assert code == 0, said
    assert {"mongo: ok", "kafka: ok", "blobs: ok", "auth: ok"} <= set(said.splitlines())

    env["WAKELINE_LINEAGE_KAFKA__BOOTSTRAP"] = "127.0.0.1:1"
    env["WAKELINE_LINEAGE_BLOBS__PREFIX"] = f"{provided.name}-x-"
    code, said = await _check(env)
    assert code == 1
    assert "kafka: Kafka at 127.0.0.1:1 is out of reach:" in said
    assert "mongo: ok" in said


async def _check(env: dict[str, str]) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "wakeline_lineage", "check"),
        env=os.environ | env,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    out, _ = await process.communicate()
    return process.returncode, out.decode()


async def test_a_store_without_its_buckets_or_its_keys_is_told_so(scope: Scope) -> None:
    settings = settings_of(scope, "lineage", Settings)
    lost = settings.auth.model_copy(update={"jwks": None, "jwks_file": Path("/nowhere.json")})
    async with open_runtime(service(settings.model_copy(update={"auth": lost}))) as runtime:
        found = await findings(runtime)
    assert found["auth"] == [
        "the issuer's keys cannot be read: [Errno 2] No such file or directory: '/nowhere.json'"
    ]
    assert len(found["blobs"]) == 1
    assert f"'{scope.name}-datasets'" in found["blobs"][0]


async def test_an_object_store_is_reached_by_tls_that_its_own_authority_vouches_for(
    provided: Scope, tmp_path: Path
) -> None:
    authority = Authority(tmp_path / "ca")
    plain = provided.blobs()
    async with tls_front(plain.endpoint, authority.issue("s3")) as endpoint:
        secure = plain.model_copy(
            update={"endpoint": endpoint, "secure": True, "ca_file": authority.ca_file}
        )
        assert await probing.lacking(secure, "ingest") == []
        async with Blobs(secure) as blobs:
            await blobs.put("assets", "a", b"bytes")
            assert await blobs.get("assets", "a") == b"bytes"
        async with Blobs(secure.model_copy(update={"ca_file": None})) as blobs:
            with pytest.raises(BlobStoreUnavailableError, match="certificate verify failed"):
                await blobs.get("assets", "a")
        wrong = secure.model_copy(update={"secret_key": SecretStr("wrong")})
        assert "may not list objects" in (await probing.lacking(wrong, "ingest"))[0]
