"""A store that is away is said to be away, soon."""

import socket
import time
from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from wakeline_blobs import Blobs, BlobSettings, BlobStoreUnavailableError


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port where connections are taken and never answered."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield listener.getsockname()[1]


@pytest.fixture
def closed_port() -> int:
    """A port where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port


def at(port: int, **options: object) -> BlobSettings:
    return BlobSettings.model_validate(
        {
            "endpoint": f"127.0.0.1:{port}",
            "access_key": "key",
            "secret_key": SecretStr("secret"),
            **options,
        }
    )


async def test_a_refused_connection_fails_within_a_second(closed_port: int) -> None:
    async with Blobs(at(closed_port)) as blobs:
        began = time.monotonic()
        with pytest.raises(BlobStoreUnavailableError, match="out of reach"):
            await blobs.get("assets", "x")
        assert time.monotonic() - began < 1.5


async def test_a_silent_store_fails_after_its_bounded_retries(silent_port: int) -> None:
    async with Blobs(at(silent_port, read_timeout=0.3)) as blobs:
        began = time.monotonic()
        with pytest.raises(BlobStoreUnavailableError):
            await blobs.put("assets", "x", b"1")
        assert 0.5 < time.monotonic() - began < 2


async def test_readiness_is_decided_within_two_seconds_by_a_silent_store(silent_port: int) -> None:
    async with Blobs(at(silent_port)) as blobs:
        began = time.monotonic()
        with pytest.raises(BlobStoreUnavailableError):
            await blobs.check()
        assert time.monotonic() - began < 2
