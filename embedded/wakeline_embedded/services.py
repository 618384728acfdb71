"""The services as programs: which are installed, as which processes, with which settings."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final

from wakeline_auth.issuer import ISSUER
from wakeline_blobs import SOURCES, BlobSettings
from wakeline_embedded import credentials, health
from wakeline_embedded.layout import KINDS, SERVICES, Layout, Ports
from wakeline_embedded.migrating import database_of
from wakeline_embedded.ports import HOST
from wakeline_embedded.program import Program
from wakeline_events.registry import PRODUCERS

SOURCES_SETTING: Final = "WAKELINE_INGEST_SOURCE_BUCKETS"
KEYS_SETTING: Final = "WAKELINE_LINEAGE_WEBHOOKS__KEYS"
GRACE: Final = 30.0
"""Seconds a service gets to finish the batch, the request and the job in hand."""

TRACED: Final = 0.1
"""Share of traces that are written to ``spans/``: all of them would cost every process a tenth."""

BACKGROUND: Final = 5
"""Niceness of what nobody waits for: a third of the share of others, and no less, lest a machine
that is busy with something else starve it until it is not ready any more."""
NICENESS: Final = {
    "review": 2,
    "training": BACKGROUND,
    "prediction": BACKGROUND,
    "lineage": BACKGROUND,
}
"""Of services as one process each: those who upload and label go first, then those who review."""


@dataclass(frozen=True)
class Surroundings:
    """What all services of a stack share."""

    layout: Layout
    ports: Ports
    kafka: str
    """HOST:PORT,..."""
    mongo: str
    """DSN."""
    blobs: Mapping[str, BlobSettings]
    """The object store, as each service may use it."""

    @property
    def urls(self) -> dict[str, str]:
        """Where each service's API answers."""
        return {name: f"http://{HOST}:{self.ports.process(name, 'serve')}" for name in installed()}


def installed() -> tuple[str, ...]:
    """The services whose packages are installed here."""
    return tuple(name for name in SERVICES if _exists(f"wakeline_{name}.__main__"))


def kinds_of(service: str) -> tuple[str, ...]:
    """The kinds of process a service has. All have the same anatomy: with handlers one consumes.

    Who publishes nothing has nothing to relay.
    """
    needs = {"consume": f"wakeline_{service}.handlers", "run": f"wakeline_{service}.jobs"}
    kinds = KINDS if service in PRODUCERS else tuple(kind for kind in KINDS if kind != "relay")
    return tuple(kind for kind in kinds if kind not in needs or _exists(needs[kind]))


def programs(around: Surroundings, *, split: bool) -> tuple[Program, ...]:
    """Every process of every installed service: one each, or one a kind of work."""
    return tuple(
        _program(around, service, kind)
        for service in installed()
        for kind in (kinds_of(service) if split else ("all",))
    )


def environment(around: Surroundings, service: str, kind: str) -> dict[str, str]:
    """The settings of one process of a service; the same ones drive it in a cluster."""
    blobs = around.blobs[service]
    settings = {
        "MONGO__DSN": around.mongo,
        "MONGO__DATABASE": database_of(service),
        "KAFKA__BOOTSTRAP": around.kafka,
        "BLOBS__ENDPOINT": blobs.endpoint,
        "BLOBS__ACCESS_KEY": blobs.access_key,
        "BLOBS__SECRET_KEY": blobs.secret_key.get_secret_value(),
        "BLOBS__SECURE": str(blobs.secure).lower(),
        "AUTH__ISSUER": ISSUER,
        "AUTH__JWKS_FILE": str(around.layout.jwks),
        "HTTP__HOST": HOST,
        "HTTP__PORT": str(around.ports.process(service, kind)),
        "TELEMETRY__SPANS_FILE": str(around.layout.spans(process_name(service, kind))),
        "TELEMETRY__SAMPLE": str(TRACED),
        "TELEMETRY__TRACE_COMMANDS": "false",
        "SERVICES": json.dumps(around.urls),
    }
    if service == "ingest" and SOURCES_SETTING not in os.environ:
        settings["SOURCE_BUCKETS"] = json.dumps([SOURCES])
    if service == "lineage" and KEYS_SETTING not in os.environ:
        settings["WEBHOOKS__KEYS"] = credentials.sealing_key(around.layout)
    return {f"WAKELINE_{service.upper()}_{name}": value for name, value in settings.items()}


def process_name(service: str, kind: str) -> str:
    """What people call a process: "review", or "review-consume" where kinds run apart."""
    return service if kind == "all" else f"{service}-{kind}"


def niceness_of(service: str, kind: str) -> int:
    """How far a process stands back when the processor is short."""
    if kind == "all":
        return NICENESS.get(service, 0)
    return 0 if kind == "serve" else BACKGROUND


def _program(around: Surroundings, service: str, kind: str) -> Program:
    name, port = process_name(service, kind), around.ports.process(service, kind)
    return Program(
        name=name,
        argv=_command(service, kind),
        log=around.layout.log(name),
        env=environment(around, service, kind),
        port=port,
        check=lambda: health.check(port),
        niceness=niceness_of(service, kind),
        grace=GRACE,
        advice=f"`pip install 'wakeline[{service}]'` brings what it needs.",
    )


def _command(service: str, kind: str) -> tuple[str, ...]:
    return (sys.executable, "-m", f"wakeline_{service}", kind)


def _exists(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # its package is not there either
        return False
