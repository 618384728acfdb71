"""Syncs a source until its end."""

import hashlib
from typing import Any

import httpx

from tests.integration.ingest.images import everything, picture
from wakeline_ingest.settings import Settings
from wakeline_testing import Scope
from wakeline_testing.running import RunningService, settings_of

SET = "/v1/datasets/fields"
SOURCE = f"{SET}/sources/lake"


def settings(scope: Scope) -> Settings:
    return settings_of(scope, "ingest", Settings, source_buckets=(f"{scope.name}-source-*",))


async def synced(client: httpx.AsyncClient, ingest: RunningService) -> dict[str, Any]:
    """Sync until the end: the counts, and the report as ``outcome -> names``."""
    begun = await client.post(f"{SOURCE}/sync")
    assert begun.status_code == 202, begun.text
    await ingest.settled()
    where = f"{SET}/imports/{begun.json()['import_id']}"
    shown = (await client.get(where)).json()
    assert shown["state"] == "done", shown
    lines = await everything(client, f"{where}/lines")
    by_outcome: dict[str, list[str]] = {}
    for line in lines:
        by_outcome.setdefault(str(line["outcome"]), []).append(str(line["name"]))
    return {
        "counts": {name: number for name, number in shown["counts"].items() if number},
        "lines": {outcome: sorted(names) for outcome, names in by_outcome.items()},
    }


async def asset_named(client: httpx.AsyncClient, name: str) -> dict[str, Any]:
    items = (await client.get(f"{SET}/assets")).json()["items"]
    (found,) = [item for item in items if item["file_name"] == name]
    return dict(found)


async def image_of(client: httpx.AsyncClient, seed: int) -> httpx.Response:
    """What ingest sends of the image of this seed."""
    digest = hashlib.sha256(picture(seed)).hexdigest()
    return await client.get(f"/v1/assets/fields%3A{digest}/image")
