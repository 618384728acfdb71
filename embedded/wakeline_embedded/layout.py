"""The data folder of an embedded stack: what lies where, and what is kept between runs."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, get_args

from wakeline_embedded import documents, ports
from wakeline_events.base import ServiceName

SERVICES: Final[tuple[str, ...]] = get_args(ServiceName)
KINDS: Final = ("serve", "consume", "relay", "run")
"""What a service's processes do where they run apart."""

USUAL_BASE: Final = 21_700
"""First port of a stack, where its block is free."""
BLOCK: Final = 60
"""Ports a stack keeps for itself."""
_BROKER, _MONGOD, _SEAWEED, _APART = 10, 11, 12, 30


def default_folder() -> Path:
    """$WAKELINE_HOME, else ``.wakeline`` in the working directory."""
    return Path(os.environ.get("WAKELINE_HOME") or ".wakeline")


@dataclass(frozen=True)
class Layout:
    """Names of everything in a data folder."""

    root: Path

    @classmethod
    def of(cls, root: Path) -> Layout:
        """The layout of a folder, whether it is there or not."""
        return cls(root.absolute())

    @classmethod
    def prepared(cls, root: Path) -> Layout:
        """The layout of a folder, which is made if it isn't there; only its owner may enter."""
        layout = cls.of(root)
        layout.root.mkdir(parents=True, exist_ok=True)
        layout.root.chmod(0o700)
        layout.logs.mkdir(exist_ok=True)
        return layout

    @property
    def logs(self) -> Path:
        """One log a process."""
        return self.root / "logs"

    @property
    def state(self) -> Path:
        """What the supervisor runs: pids, starts, restarts."""
        return self.root / "state.json"

    @property
    def lock(self) -> Path:
        """Held by the supervisor as long as it lives."""
        return self.root / "supervisor.lock"

    @property
    def options(self) -> Path:
        """How the stack was last started."""
        return self.root / "options.json"

    @property
    def ports(self) -> Path:
        """The ports of this stack."""
        return self.root / "ports.json"

    @property
    def secrets(self) -> Path:
        """Credentials that the stack made for itself."""
        return self.root / "secrets.json"

    @property
    def sealing_key(self) -> Path:
        """The key that webhooks' secrets are stored under."""
        return self.root / "sealing.json"

    @property
    def issuer_key(self) -> Path:
        """The private key that signs this stack's tokens."""
        return self.root / "issuer.json"

    @property
    def jwks(self) -> Path:
        """The public key that the services check tokens with."""
        return self.root / "jwks.json"

    @property
    def client(self) -> Path:
        """URL and token for the SDK and the command line."""
        return self.root / "client.json"

    def log(self, process: str) -> Path:
        """The log of a process."""
        return self.logs / f"{process}.log"

    def spans(self, process: str) -> Path:
        """The finished spans of a process, one JSON line each."""
        return self.root / "spans" / f"{process}.jsonl"


@dataclass(frozen=True)
class Options:
    """How a stack is to be started."""

    split: bool = False
    """A process for each kind of work, instead of one for each service."""
    servers_only: bool = False
    """Broker, MongoDB and object store only, for who runs the services in another way."""
    kafka: str | None = None
    """HOST:PORT,... of a Kafka that is there already; the embedded broker if None."""
    mongo: str | None = None
    """DSN of a MongoDB replica set that is there already; the embedded mongod if None."""
    s3: str | None = None
    """http://KEY:SECRET@HOST:PORT of a store that is there already; SeaweedFS if None."""

    def save(self, layout: Layout) -> None:
        """Remember them: ``status`` asks the same servers as the supervisor."""
        documents.write(layout.options, asdict(self))

    @classmethod
    def load(cls, layout: Layout) -> Options:
        """The options of the last start; the defaults if there was none."""
        return cls(**(documents.read(layout.options) or {}))


@dataclass(frozen=True)
class Ports:
    """The ports of a stack: one block, so that one number tells them all."""

    base: int

    @classmethod
    def kept(cls, layout: Layout, base: int | None = None) -> Ports:
        """The ports this folder had last time, or from ``base`` on if given, or new ones.

        Clients remember URLs, so ports stay what they are until someone asks for others.
        """
        remembered = documents.read(layout.ports)
        if base is None and remembered is not None:
            return cls(remembered["base"])
        chosen = cls(base or ports.free_block(BLOCK, prefer=USUAL_BASE))
        documents.write(layout.ports, {"base": chosen.base})
        return chosen

    def process(self, service: str, kind: str) -> int:
        """Where a process of a service answers; the one with the API has the service's port."""
        row = SERVICES.index(service)
        if kind in ("all", "serve"):
            return self.base + 1 + row
        return self.base + _APART + len(KINDS) * row + KINDS.index(kind)

    @property
    def broker(self) -> int:
        """Where the embedded broker listens."""
        return self.base + _BROKER

    @property
    def mongod(self) -> int:
        """Where the embedded mongod listens."""
        return self.base + _MONGOD

    @property
    def seaweed(self) -> int:
        """Where the embedded object store listens; it has the ports after this one too."""
        return self.base + _SEAWEED
