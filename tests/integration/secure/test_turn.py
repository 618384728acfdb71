"""Every service as a process, on stores that allow it what is documented and nothing more."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import orjson
import pytest

from wakeline_auth import Role
from wakeline_embedded import ports
from wakeline_embedded.ports import HOST
from wakeline_messaging import create_indexes
from wakeline_process.runtime import open_runtime
from wakeline_storage import migrate
from wakeline_testing.running import ISSUER, SERVICES

from ..sdk.turn import LABELED, Turn, until
from .stores import SecureStores

pytestmark = [pytest.mark.kafka, pytest.mark.mongo, pytest.mark.s3]


@asynccontextmanager
async def all_services(stores: SecureStores, folder: Path) -> AsyncIterator[dict[str, str]]:
    """Run each service as a process of its own; yields their addresses."""
    first = ports.free_block(len(SERVICES))
    urls = {str(name): f"http://{HOST}:{port}" for port, name in enumerate(SERVICES, first)}
    processes = []
    try:
        for port, name in enumerate(SERVICES, first):
            service = stores.service(name)
            async with open_runtime(service) as runtime:
                await migrate(runtime.database, service.migrations, create_indexes)
            told = {
                "AUTH__ISSUER": ISSUER.issuer,
                "AUTH__JWKS": orjson.dumps(ISSUER.jwks()).decode(),
                "HTTP__PORT": str(port),
                "SERVICES": json.dumps(urls),
            }
            env = {f"WAKELINE_{name.upper()}_{key}": value for key, value in told.items()}
            env |= stores.environment(name, folder / name)
            env["WAKELINE_TRAINING_TRAINER__NICE"] = "0"
            with (folder / f"{name}.log").open("wb") as log:
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", f"wakeline_{name}", "all"),
                    env=os.environ | env,
                    stdout=log,
                    stderr=log,
                )
            processes.append(process)
        async with httpx.AsyncClient() as client:

            async def ready() -> bool:
                assert all(one.returncode is None for one in processes)
                try:
                    answers = [await client.get(f"{url}/health/ready") for url in urls.values()]
                except httpx.HTTPError:
                    return False
                return all(answer.status_code == 200 for answer in answers)

            await until(ready, "six services that are ready")
        yield urls
    finally:
        for process in processes:
            if process.returncode is None:
                process.terminate()
        await asyncio.gather(*(process.wait() for process in processes))


@pytest.mark.timeout(600)
async def test_a_turn_of_the_loop_needs_no_more_than_what_is_documented(
    stores: SecureStores, tmp_path: Path
) -> None:
    def mint(person: str, role: Role, team: str) -> str:
        return ISSUER.mint(person, {role}, team)

    async with all_services(stores, tmp_path) as urls:
        turn = Turn(urls["labeling"], "rye", mint)
        await turn.label(tmp_path / "images")
        labels = await turn.recorded("label.accepted", LABELED)
        model_version = await turn.train()
        labeled = {label.data["asset_id"] for label in labels}
        prediction, *_ = await turn.predicted_by(model_version, labeled)
        nodes = await turn.came_from(prediction.data["prediction_id"])
    kinds = {kind for kind, _ in nodes}
    assert {"model", "run", "dataset-version", "label", "asset", "person"} <= kinds
    logs = {name: (tmp_path / f"{name}.log").read_text() for name in SERVICES}
    for name, log in logs.items():
        for words in ("may not", "AccessDenied", "not authorized", "AuthorizationFailed"):
            assert words not in log, f"{name} met a right that it lacks"
