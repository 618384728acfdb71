"""Files that are declared and sent in parts, archives, and the service that takes them."""

import hashlib
import io
import tarfile
import zipfile
from typing import Any

import httpx

from tests.integration.ingest.images import everything, picture
from wakeline_ingest.settings import ArchiveSettings, Settings, UploadSettings
from wakeline_testing import Scope
from wakeline_testing.running import RunningService, settings_of

SET = "/v1/datasets/fields"
UPLOADS = f"{SET}/uploads"
PART = 2_000
IMAGE = picture(1, 60)  # about 10 kB: six parts


def settings(scope: Scope, **uploads: Any) -> Settings:
    return settings_of(
        scope,
        "ingest",
        Settings,
        uploads=UploadSettings(part_bytes=PART, max_bytes=200_000, **uploads),
        archives=ArchiveSettings(max_entries=30),
    )


def declared(data: bytes, name: str = "big.png", **more: Any) -> dict[str, Any]:
    digest = hashlib.sha256(data).hexdigest()
    return {"file_name": name, "bytes": len(data), "digest": digest} | more


async def begin(client: httpx.AsyncClient, data: bytes, **more: Any) -> str:
    answer = await client.post(UPLOADS, json=declared(data, **more))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["upload_id"])


async def send(
    client: httpx.AsyncClient, upload_id: str, data: bytes, leave: tuple[int, ...] = ()
) -> None:
    parts = await everything(client, f"{UPLOADS}/{upload_id}/parts")
    assert [part["bytes"] for part in parts][:-1] == [PART] * (len(parts) - 1)
    async with httpx.AsyncClient() as anyone:
        for part in parts:
            number = int(str(part["number"]))
            if number not in leave and not part["stored"]:
                piece = data[(number - 1) * PART : number * PART]
                answer = await anyone.put(str(part["url"]), content=piece)
                assert answer.status_code == 200, answer.text


async def staged(process: RunningService) -> list[str]:
    blobs = process.process.runtime.resources.blobs
    return [info.key async for info in blobs.list("assets", "staging/")]


async def completed(
    client: httpx.AsyncClient, ingest: RunningService, upload_id: str
) -> dict[str, Any]:
    answer = await client.post(f"{UPLOADS}/{upload_id}/complete")
    assert answer.status_code == 202, answer.text
    await ingest.settled()
    return dict((await client.get(f"{UPLOADS}/{upload_id}")).json())


def zip_of(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return stream.getvalue()


def tar_of(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()


async def imported(
    client: httpx.AsyncClient, data: bytes, kind: str = "archive", **more: str
) -> str:
    answer = await client.post(
        f"{SET}/imports", data={"kind": kind} | more, files={"file": ("file", data)}
    )
    assert answer.status_code == 202, answer.text
    return f"{SET}/imports/{answer.json()['import_id']}"
