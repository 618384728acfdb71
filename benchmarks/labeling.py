"""The labeling service by itself, on a MongoDB of its own, with a small project in it."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from wakeline_auth import Role
from wakeline_labeling.settings import Settings
from wakeline_labeling.wiring import service
from wakeline_messaging import create_indexes
from wakeline_process.processes import Kind, Process, open_process
from wakeline_process.runtime import open_runtime
from wakeline_storage import migrate
from wakeline_testing import Scope, stack
from wakeline_testing.running import ISSUER, settings_of
from wakeline_testing.stack import KafkaAddress, Stack, parse_s3

NOWHERE = Stack(
    KafkaAddress("127.0.0.1:1"), stack.MongoAddress(""), parse_s3("http://k:s@127.0.0.1:1")
)
"""Neither events nor bytes go anywhere here."""
TEAM = "crew"


@asynccontextmanager
async def labeling() -> AsyncIterator[Process]:
    """The service with its routes and stores; it consumes, relays and runs nothing."""
    async with AsyncExitStack() as started:
        folder = Path(started.enter_context(tempfile.TemporaryDirectory(prefix="wakeline-bench-")))
        mongo = await started.enter_async_context(stack.mongo(folder))
        scope = Scope(Stack(NOWHERE.kafka, mongo, NOWHERE.s3), "bench")
        built = service(settings_of(scope, "labeling", Settings))
        async with open_runtime(built) as runtime:
            await create_indexes(runtime.database)
            await migrate(runtime.database, built.migrations)
        yield await started.enter_async_context(open_process(built, Kind.SERVE))


def client(process: Process, role: Role, team: str | None = None) -> httpx.AsyncClient:
    """Somebody of a role, straight at the service's routes."""
    token = ISSUER.mint(f"a-{role}", {role}, team)
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=process.app),
        base_url="http://labeling",
        headers={"Authorization": f"Bearer {token}"},
        timeout=60,
    )


async def configure(process: Process, project: str) -> None:
    """Make a project of one stage, ``boxes``, over the dataset of the same name."""
    async with client(process, Role.ADMIN) as admin:
        team = {"name": TEAM, "cost_per_hour": 12}
        (await admin.put(f"/v1/teams/{TEAM}", json=team)).raise_for_status()
        answer = await admin.put(f"/v1/projects/{project}", json=_document(project))
        answer.raise_for_status()


def _document(project: str) -> dict[str, Any]:
    stage = {"name": "boxes", "team": TEAM, "paired_below": 0, "prelabel_wait_seconds": 0}
    return {
        "project": project,
        "datasets": [project],
        "ontology": {"classes": [{"name": "thing", "kinds": ["box"]}]},
        "stages": [stage],
    }


def now() -> datetime:
    """This moment, as MongoDB keeps it."""
    return datetime.now(UTC).replace(microsecond=0)
