"""The command line of every service: ``python -m wakeline_<service> <command>``."""

import asyncio
import sys
import time
from collections.abc import Callable
from typing import Any

import structlog
from pydantic import ValidationError
from pydantic_settings import SettingsError
from pymongo.errors import OperationFailure, PyMongoError

from wakeline_messaging import create_indexes
from wakeline_process import loop
from wakeline_process.checking import check
from wakeline_process.processes import Kind, run
from wakeline_process.runtime import Runtime, open_runtime
from wakeline_process.service import Service
from wakeline_storage import DatabaseIsNewerError, NoPrimaryError, migrate
from wakeline_telemetry import configure_logging, tracing

USAGE = "usage: python -m wakeline_<service> serve | consume | relay | run | all | migrate | check"

PATIENCE = 60.0
"""Seconds that a migration waits for a MongoDB that is only just starting."""

log = structlog.get_logger()


def main(build: Callable[[], Service[Any, Any]]) -> None:
    """Run one command of a service and exit with its status."""
    wanted = sys.argv[1:]
    if len(wanted) != 1 or wanted[0] not in {*Kind, "migrate", "check"}:
        sys.exit(USAGE)
    try:
        service = build()
    except (ValidationError, SettingsError) as error:
        sys.exit(f"this service cannot start with these settings:\n{error}")
    configure_logging(service.name, wanted[0], json=service.settings.telemetry.log_json)
    tracing.configure(service.name, service.settings.telemetry)
    try:
        match wanted[0]:
            case "migrate":
                loop.run(migrate_database(service))
            case "check":
                sys.exit(loop.run(check(service)))
            case kind:
                loop.run(run(service, Kind(kind)))
    except DatabaseIsNewerError as error:
        sys.exit(str(error))
    finally:
        tracing.shutdown()


async def migrate_database(service: Service[Any, Any]) -> None:
    """Bring the service's database to this release's version."""
    async with open_runtime(service, answer_within=None) as runtime:
        await _until_mongo_answers(runtime)
        for name in await migrate(runtime.database, service.migrations, create_indexes):
            print(f"{service.name}: {name}")


async def _until_mongo_answers(runtime: Runtime) -> None:
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return await runtime.check_mongo()
        except OperationFailure:
            raise  # it answers, and says no
        except (PyMongoError, NoPrimaryError) as error:
            if time.monotonic() > until:
                raise
            log.warning("waiting for MongoDB", cause=f"{type(error).__name__}: {error}"[:300])
            await asyncio.sleep(1.0)
