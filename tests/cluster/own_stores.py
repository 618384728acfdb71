"""The release on a platform team's own stores: TLS, and a user a service with documented rights."""

from __future__ import annotations

import json
from typing import Any, Final
from urllib.parse import quote_plus

import orjson

from tests.cluster.cluster import kubectl
from tests.cluster.release import Release
from tests.integration.secure.stores import PASSWORD, SecureStores
from wakeline_testing import secure_mongo
from wakeline_testing.running import ISSUER, SERVICES

AUTHORITIES: Final = "stores-authorities"
"""The ConfigMap with who signed the stores' certificates."""
LITTLE: Final = {"resources": {"requests": {"cpu": "40m", "memory": "128Mi"}}}
"""Twenty processes and a trainer have to fit on a small node."""
EAGER: Final = {
    "ingest": ("serve", "run"),
    "labeling": ("serve",),
    "prediction": ("serve", "consume", "relay", "run"),
    "review": ("serve",),
}
"""Processes that ask for more by the chart's own values."""


class OwnStoresRelease(Release):
    """A Deployment for each process, and no store among them."""

    stores_are_pods = False
    profile = None

    def __init__(
        self, name: str, namespace: str, node: str, tag: str, stores: SecureStores
    ) -> None:
        super().__init__(name, namespace, node, tag)
        self._stores = stores
        self._issuer = ISSUER

    @property
    def places(self) -> dict[str, str]:
        """Where each store answers pods."""
        settings = self._stores.settings("review")
        dsn: str = settings["mongo"].dsn.get_secret_value()
        return {
            "mongodb": dsn.partition("://")[2].partition("/")[0],
            "kafka": settings["kafka"].bootstrap,
            "s3": settings["blobs"].endpoint,
        }

    @property
    def bootstrap(self) -> str:
        """The administrator's way, without TLS."""
        return self._stores.scope.kafka_bootstrap

    def dsn(self, *, by_road: bool = False) -> str:
        """The administrator's way."""
        mongo = self._stores.mongo
        who = f"{secure_mongo.ADMIN}:{quote_plus(secure_mongo.PASSWORD)}@"
        options = "directConnection=true&w=majority&journal=true&readConcernLevel=majority"
        options += f"&authSource=admin&tls=true&tlsCAFile={quote_plus(str(mongo.ca_file))}"
        return f"mongodb://{who}{self.places['mongodb']}/?{options}"

    def process(self, service: str, kind: str) -> str:
        """The workload that does a kind of work."""
        return f"{service}-{kind}"

    def prepare(self) -> None:
        """Make the Secrets and the ConfigMap that the chart's values name."""
        of = {
            group: self._stores.settings("review")[group] for group in ("kafka", "mongo", "blobs")
        }
        objects: list[dict[str, Any]] = [
            {
                "kind": "ConfigMap",
                "metadata": {"name": AUTHORITIES},
                "data": {f"{group}.crt": found.ca_file.read_text() for group, found in of.items()},
            }
        ]
        for service in SERVICES:
            access, secret = self._stores.keys[service]
            user = self._stores.user(service)
            for store, data in {
                "mongodb": {"username": user, "password": PASSWORD},
                "kafka": {"password": PASSWORD},
                "s3": {"access-key": access, "secret-key": secret},
            }.items():
                metadata = {"name": f"wakeline-{service}-{store}"}
                objects.append({"kind": "Secret", "metadata": metadata, "stringData": data})
        items = [{"apiVersion": "v1"} | one for one in objects]
        listed = {"apiVersion": "v1", "kind": "List", "items": items}
        where = ("--namespace", self.namespace)
        kubectl("apply", *where, "--filename", "-", given=json.dumps(listed))

    @property
    def values(self) -> dict[str, Any]:
        """What a platform team writes into its own values."""
        kafka, mongo, blobs = (
            self._stores.settings("review")[group] for group in ("kafka", "mongo", "blobs")
        )
        found = super().values
        for service, kinds in EAGER.items():
            found["services"][service] |= dict.fromkeys(kinds, LITTLE)

        def authority(group: str) -> dict[str, str]:
            return {"name": AUTHORITIES, "key": f"{group}.crt"}

        def peer(place: str) -> dict[str, Any]:
            host, _, port = place.rpartition(":")
            return {"to": [{"ipBlock": {"cidr": f"{host}/32"}}], "ports": [int(port)]}

        return found | {
            "trial": {"enabled": False},
            "split": True,
            "process": LITTLE,
            "trainer": {"resources": {"requests": {"cpu": "200m", "memory": "1Gi"}}},
            "kafka": {
                "bootstrap": kafka.bootstrap,
                "replication": 1,
                "ca": authority("kafka"),
            },
            "mongodb": {
                "dsn": mongo.dsn.get_secret_value(),
                "secret": {"usernameKey": "username", "passwordKey": "password"},
                "ca": authority("mongo"),
            },
            "s3": {
                "endpoint": blobs.endpoint,
                "prefix": blobs.prefix,
                "ca": authority("blobs"),
            },
            "auth": {"issuer": ISSUER.issuer, "jwks": orjson.dumps(ISSUER.jwks()).decode()},
            "networkPolicy": {name: peer(place) for name, place in self.places.items()},
        }

    def uninstall(self) -> None:
        """Uninstall, and take away what was made before."""
        super().uninstall()
        where = ("--namespace", self.namespace, "--ignore-not-found")
        kubectl("delete", "configmap", AUTHORITIES, *where)
        names = [f"wakeline-{one}-{store}" for one in SERVICES for store in self.places]
        kubectl("delete", "secret", *names, *where)

    def open_stores(self) -> None:
        """Nothing: they are not in the cluster."""
