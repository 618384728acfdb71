"""What a stack consists of, from its folder and its options."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from wakeline_blobs import BlobSettings
from wakeline_embedded import (
    credentials,
    external,
    identities,
    kafka,
    mongod,
    provisioning,
    seaweed,
    services,
)
from wakeline_embedded.external import External, StoreAddress
from wakeline_embedded.layout import Layout, Options, Ports
from wakeline_embedded.migrating import migrate_service
from wakeline_embedded.ports import HOST
from wakeline_embedded.program import Program
from wakeline_embedded.services import Surroundings


@dataclass(frozen=True)
class Plan:
    """Everything a supervisor runs, in the order in which it starts."""

    servers: tuple[Program, ...]
    provision: Callable[[], Awaitable[None]]
    """Makes what the services need in the servers; nothing happens if it is there."""
    services: tuple[Program, ...] = ()
    migrate: Mapping[str, Callable[[], Awaitable[object]]] = field(default_factory=dict)
    """For each service, what brings its database to this release."""
    externals: tuple[External, ...] = ()

    @property
    def programs(self) -> tuple[Program, ...]:
        """Servers and services."""
        return (*self.servers, *self.services)


def plan(layout: Layout, options: Options, ports: Ports) -> Plan:
    """The plan of the stack in a data folder.

    Raises
    ------
    CannotRunError
        If a server's binary is missing on this machine.
    ValueError
        If the address of an external server makes no sense.
    """
    own: list[Program] = []
    externals: list[External] = []

    if (bootstrap := options.kafka) is None:
        own.append(kafka.program(layout.root / "broker", ports.broker, layout.log("broker")))
        bootstrap = f"{HOST}:{ports.broker}"
    else:
        externals.append(External("kafka", bootstrap, lambda: kafka.check(bootstrap)))

    if (dsn := options.mongo) is None:
        own.append(mongod.program(layout.root / "mongod", ports.mongod, layout.log("mongod")))
        dsn = mongod.dsn(ports.mongod)
    else:
        hosts = external.without_credentials(dsn)
        externals.append(External("mongodb", hosts, lambda: external.check_mongo(dsn)))

    if options.s3 is None:
        store, blobs = _embedded_store(layout, ports)
        own.append(store)
    else:
        address = external.parse_store(options.s3)
        blobs = _external_store(address)
        externals.append(External("s3", address.endpoint, lambda: external.check_store(address)))

    async def provision() -> None:
        await asyncio.gather(
            provisioning.make_topics(bootstrap), provisioning.make_buckets(blobs[identities.ADMIN])
        )

    stores = Plan(tuple(own), provision, externals=tuple(externals))
    if options.servers_only:
        return stores
    around = Surroundings(layout, ports, bootstrap, dsn, blobs)
    return replace(
        stores,
        services=services.programs(around, split=options.split),
        migrate={name: partial(migrate_service, name, dsn) for name in services.installed()},
    )


def _embedded_store(layout: Layout, ports: Ports) -> tuple[Program, dict[str, BlobSettings]]:
    users = services.installed()
    keys = credentials.kept(layout, (identities.ADMIN, *users))
    who = [
        identities.administrator(keys[identities.ADMIN]),
        *(identities.of_service(name, keys[name]) for name in users),
    ]
    program = seaweed.program(
        layout.root / "seaweedfs", ports.seaweed, layout.log("seaweedfs"), who
    )
    return program, {
        one.name: BlobSettings(
            endpoint=f"{HOST}:{ports.seaweed}",
            access_key=one.access_key,
            secret_key=one.secret_key,
        )
        for one in who
    }


def _external_store(address: StoreAddress) -> dict[str, BlobSettings]:
    only = BlobSettings(
        endpoint=address.endpoint,
        access_key=address.access_key,
        secret_key=address.secret_key,
        secure=address.secure,
    )
    # who runs the store decides on its credentials: with one given, all services share it
    return dict.fromkeys((identities.ADMIN, *services.installed()), only)
