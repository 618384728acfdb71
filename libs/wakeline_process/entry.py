"""The command line of every service: ``python -m wakeline_<service> <command>``."""

import sys
from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import ValidationError
from pydantic_settings import SettingsError

from wakeline_http import readiness_of
from wakeline_messaging import create_indexes
from wakeline_process import loop
from wakeline_process.kafka_probe import KafkaProbe
from wakeline_process.processes import Kind, run
from wakeline_process.runtime import open_runtime
from wakeline_process.service import Service
from wakeline_storage import DatabaseIsNewerError, migrate
from wakeline_telemetry import configure_logging, tracing

USAGE = "usage: python -m wakeline_<service> serve | consume | relay | run | all | migrate | check"


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
    async with open_runtime(service) as runtime:
        for name in await migrate(runtime.database, service.migrations, create_indexes):
            print(f"{service.name}: {name}")


async def check(service: Service[Any, Any]) -> int:
    """Say whether everything this service needs answers; 0 if it does."""
    async with open_runtime(service) as runtime:
        probe = KafkaProbe(service.settings.kafka)
        checks: dict[str, Callable[[], Awaitable[object]]] = {
            "mongo": runtime.check_mongo,
            "kafka": probe.check,
        }
        if service.checks is not None:
            checks |= service.checks(runtime.resources)
        verdicts = await readiness_of(checks)()
        await probe.close()
    for name, reason in verdicts.items():
        print(f"{name}: {reason or 'ok'}")
    return 1 if any(verdicts.values()) else 0
