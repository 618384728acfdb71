"""The three stores of a trial in one container: ``python -m wakeline_embedded.trial``.

For evaluation: one node, no copies, no TLS; MongoDB and the broker ask nobody who he is, so what
keeps others out is the cluster's network policy. Data, logs and the issuer's key lie in
$WAKELINE_HOME and survive the container.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import uvicorn
from fastapi import FastAPI
from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from wakeline_blobs import BlobSettings
from wakeline_embedded import (
    access,
    documents,
    identities,
    kafka,
    mongod,
    provisioning,
    seaweed,
    services,
)
from wakeline_embedded.child import CannotRunError
from wakeline_embedded.credentials import Keys
from wakeline_embedded.layout import Layout, default_folder
from wakeline_embedded.plan import Plan
from wakeline_embedded.ports import HOST
from wakeline_embedded.state import Condition, Phase, StackState, sole_supervisor
from wakeline_embedded.supervisor import Supervisor
from wakeline_http.health import health_router

BROKER, MONGOD, S3, HTTP = 9092, 27017, 8333, 8080
EVERYWHERE: Final = "0.0.0.0"


class TrialSettings(BaseSettings):
    """What the container must be told: ``WAKELINE_TRIAL_HOST`` and ``WAKELINE_TRIAL_KEYS``."""

    model_config = SettingsConfigDict(env_prefix="WAKELINE_TRIAL_", frozen=True)
    host: str
    """The name by which everything reaches this container, and it itself."""
    keys: Path
    """Who may use the object store: ``{"admin": {"access": "...", "secret": "..."}, ...}``."""


def plan(layout: Layout, settings: TrialSettings) -> Plan:
    """The stores, listening to the whole pod network under the name they are given.

    Raises
    ------
    CannotRunError
        If the file of keys is missing, or lacks somebody.
    """
    keys = _keys(settings.keys)
    who = [
        identities.administrator(keys[identities.ADMIN]),
        *(identities.of_service(name, keys[name]) for name in services.installed()),
    ]
    store = BlobSettings(
        endpoint=f"{HOST}:{S3}",
        access_key=keys[identities.ADMIN].access,
        secret_key=keys[identities.ADMIN].secret,
    )

    async def provision() -> None:
        await asyncio.gather(
            provisioning.make_topics(f"{HOST}:{BROKER}"), provisioning.make_buckets(store)
        )

    root, log, around = layout.root, layout.log, {"bind": EVERYWHERE, "known_as": settings.host}
    return Plan(
        (
            kafka.program(root / "broker", BROKER, log("broker"), **around),
            mongod.program(root / "mongod", MONGOD, log("mongod"), **around),
            seaweed.program(root / "seaweedfs", S3, log("seaweedfs"), who, bind=EVERYWHERE),
        ),
        provision,
    )


def app(layout: Layout) -> FastAPI:
    """Health of the stores, and the public key that the services check tokens with."""
    application = FastAPI(title="Wakeline's trial stores", docs_url=None, redoc_url=None)
    application.include_router(health_router(lambda: _readiness(layout)))

    @application.get("/jwks.json")
    async def jwks() -> object:
        """Return the issuer's public key."""
        return documents.read(layout.jwks)

    return application


async def run(layout: Layout, settings: TrialSettings) -> bool:
    """Run the stores until SIGTERM; returns whether they came up."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    access.prepare_issuer(layout)
    server = uvicorn.Server(
        uvicorn.Config(app(layout), host=EVERYWHERE, port=HTTP, log_config=None, access_log=False)
    )
    serving = asyncio.create_task(server._serve())
    try:
        await _wait_for_name(settings.host)
        came_up = await Supervisor(layout, plan(layout, settings)).run(stop)
    finally:
        server.should_exit = True
        await serving
    return came_up


def main() -> int:
    """Run in the folder of $WAKELINE_HOME; the exit code is 1 if the stores did not come up."""
    try:
        settings = TrialSettings()
    except ValidationError as error:
        sys.exit(f"the trial's stores cannot start with these settings:\n{error}")
    # the folder itself is a volume's, which may belong to root: only what we make in it is ours
    layout = Layout.of(default_folder())
    layout.logs.mkdir(parents=True, exist_ok=True)
    with sole_supervisor(layout):
        try:
            came_up = asyncio.run(run(layout, settings))
        except CannotRunError as error:
            sys.exit(str(error))
    if not came_up:
        state = StackState.load(layout)
        print(state.message if state is not None else "", file=sys.stderr)
    return 0 if came_up else 1


def _keys(path: Path) -> Mapping[str, Keys]:
    found = documents.read(path)
    if found is None:
        raise CannotRunError(f"WAKELINE_TRIAL_KEYS names {path}, and there is no such file")
    keys = {name: Keys(**pair) for name, pair in found.items()}
    missing = {identities.ADMIN, *services.installed()} - keys.keys()
    if missing:
        raise CannotRunError(f"{path} lacks the keys of {', '.join(sorted(missing))}")
    return keys


async def _readiness(layout: Layout) -> Mapping[str, str | None]:
    state = await asyncio.to_thread(StackState.load, layout)
    if state is None or not state.supervised:
        return {"stores": "not started yet: is the name of this container known to its DNS?"}
    verdicts = {
        one.name: None if one.condition is Condition.UP else f"{one.condition}: {one.detail}"
        for one in state.records
    }
    return {**verdicts, "stores": None if state.phase is Phase.UP else state.phase}


async def _wait_for_name(host: str) -> None:
    """Wait until the name leads here: a mongod that cannot find itself leaves its own set."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            found = {entry[4][0] for entry in await loop.getaddrinfo(host, None)}
            if any(_is_ours(str(address)) for address in found):
                return
            trouble = f"it leads to {', '.join(map(str, found))}"
        except OSError as error:
            trouble = str(error)
        print(f"waiting until {host} leads to this container: {trouble}", flush=True)
        await asyncio.sleep(1.0)


def _is_ours(address: str) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
        return True


if __name__ == "__main__":
    sys.exit(main())
