"""A release of the chart in a cluster, for the fault harness: pods instead of processes."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import tempfile
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from tests.cluster.cluster import CommandError, kubectl, objects, run
from tests.system.faults.inflight import SERVICES
from wakeline_auth import Issuer, Role

CHART: Final = Path(__file__).parents[2] / "charts" / "wakeline"
FIRST_PORT: Final = 30_810
"""NodePorts of the services' APIs, one after the other."""
STORES: Final = "stores"
EVIDENCE: Final = "evidence"
"""A Service of the tests' own, to look into the stores from outside."""


class Release:
    """The trial profile, and what stands in the way of reaching it from outside.

    A subclass installs in another way; what is asked of it stays the same.

    It offers what ``tests.system.faults.run`` asks of a platform. A "process" is a pod of a
    Deployment, or the one of the stores; to kill it is to delete it without any grace.
    """

    stores_are_pods = True
    profile: str | None = "trial"

    def __init__(self, name: str, namespace: str, node: str, tag: str) -> None:
        self.name = name
        self.namespace = namespace
        self.fullname = f"{name}-wakeline"
        self.disks: dict[str, Path] = {}
        self.roads: dict[str, Any] = {}
        self.tag = tag
        self._node = node
        self._issuer: Issuer | None = None
        self._names: list[str] = []

    @property
    def urls(self) -> Mapping[str, str]:
        """Where each service's API answers, outside of the cluster."""
        return {
            name: f"http://{self._node}:{FIRST_PORT + number}"
            for number, name in enumerate(SERVICES)
        }

    @property
    def places(self) -> dict[str, str]:
        """Where each store answers pods."""
        ports = {"mongodb": 27017, "kafka": 9092, "s3": 8333}
        return {name: f"{self.fullname}-{STORES}:{port}" for name, port in ports.items()}

    def process(self, service: str, kind: str) -> str:
        """The workload that does a kind of work."""
        return f"{service}-all"

    @property
    def values(self) -> dict[str, Any]:
        """What differs from the profile: the services can be reached, and the loop turns soon."""
        services: dict[str, Any] = {
            name: {"nodePort": FIRST_PORT + number} for number, name in enumerate(SERVICES)
        }
        services["training"]["settings"] = {"gateWait": "PT5S"}
        return {
            "image": {"tag": self.tag},
            "service": {"type": "NodePort"},
            "urls": dict(self.urls),
            "services": services,
        }

    def prepare(self) -> None:
        """Make what has to be there before an install: nothing."""

    def install(self) -> float:
        """Install, wait until every pod is ready; returns the seconds that it took."""
        self.prepare()
        began = time.monotonic()
        self._helm("install")
        return time.monotonic() - began

    def upgrade(self, *more: str) -> None:
        """Upgrade to the same chart with other values, and wait."""
        self._helm("upgrade", *more)

    def rollback(self) -> None:
        """Go back to the revision before, and wait."""
        run(
            *("helm", "rollback", self.name, "--namespace", self.namespace),
            *("--wait", "--timeout", "20m"),
        )

    def test(self) -> str:
        """Run `helm test`: every service's own check."""
        return run("helm", "test", self.name, "--namespace", self.namespace, "--timeout", "5m")

    def uninstall(self) -> None:
        """Uninstall, and wait until it is gone; nothing happens if it is not there."""
        run(
            *("helm", "uninstall", self.name, "--namespace", self.namespace),
            *("--ignore-not-found", "--wait", "--timeout", "5m"),
        )
        kubectl("delete", "service", EVIDENCE, "--namespace", self.namespace, "--ignore-not-found")

    def state(self) -> str:
        """What the cluster says of the release's pods and of what happened to them, for people."""
        where = ("--namespace", self.namespace)
        events = kubectl("get", "events", *where, "--sort-by", ".lastTimestamp")
        return "\n".join([kubectl("get", "pods", *where), *events.splitlines()[-15:]])

    def open_stores(self) -> None:
        """Make the stores' own name lead to them from this process as well.

        The broker and the replica set tell clients this name, which only the cluster's DNS knows.
        """
        service = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": EVIDENCE, "namespace": self.namespace},
            "spec": {
                "selector": {
                    "app.kubernetes.io/instance": self.name,
                    "app.kubernetes.io/component": STORES,
                },
                "publishNotReadyAddresses": True,
                "ports": [
                    {"name": name, "port": port}
                    for name, port in (("kafka", 9092), ("mongodb", 27017))
                ],
            },
        }
        kubectl("apply", "--filename", "-", given=json.dumps(service))
        words = ("get", "service", EVIDENCE, "--namespace", self.namespace)
        address = kubectl(*words, "--output", "jsonpath={.spec.clusterIP}")
        real, name = socket.getaddrinfo, f"{self.fullname}-{STORES}"

        def getaddrinfo(host: Any, *rest: Any, **more: Any) -> Any:
            return real(address if host == name else host, *rest, **more)

        socket.getaddrinfo = getaddrinfo

    # --- what the fault harness asks of a platform ---------------------------------------------

    async def up(self, *, small_disks: bool) -> None:
        """Nothing: it is installed already."""

    async def down(self) -> None:
        """Nothing: whoever installed it uninstalls it."""

    @property
    def bootstrap(self) -> str:
        """Where Kafka answers."""
        return f"{self.fullname}-{STORES}:9092"

    def dsn(self, *, by_road: bool = False) -> str:
        """Where MongoDB answers."""
        options = "directConnection=true&w=majority&journal=true&readConcernLevel=majority"
        return f"mongodb://{self.fullname}-{STORES}:27017/?{options}"

    @property
    def names(self) -> list[str]:
        """Every workload: "review-all", "labeling-serve", "stores"."""
        if not self._names:
            found = objects("deployments,statefulsets", self.namespace, self._selector)
            prefix = f"{self.fullname}-"
            self._names = sorted(one["metadata"]["name"].removeprefix(prefix) for one in found)
        return self._names

    def token(self, person: str, role: Role, team: str | None = None) -> str:
        """A token of somebody, signed with the trial's own key."""
        if self._issuer is None:
            key = self.in_stores("cat", "/data/issuer.json")
            with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
                file.write(key)
                file.flush()
                self._issuer = Issuer.load(Path(file.name))
        return self._issuer.mint(person, [role], team, timedelta(days=1))

    def in_stores(self, *words: str) -> str:
        """Run a program in the stores' pod."""
        pod = f"{self.fullname}-{STORES}-0"
        return kubectl("exec", pod, "--namespace", self.namespace, "--", *words)

    def is_up(self, name: str) -> bool:
        """Whether a workload has a pod that is ready."""
        return name in self._ready()

    def starting(self) -> int:
        """How many workloads have no ready pod."""
        return len(set(self.names) - self._ready())

    def send(self, name: str, sent: signal.Signals) -> bool:
        """Kill the pods of a workload at once; False if there is none, or for another signal."""
        if sent is not signal.SIGKILL:
            return False
        pods = [pod["metadata"]["name"] for pod in self._pods(name)]
        if not pods:
            return False
        where = ("--namespace", self.namespace)
        try:
            kubectl("delete", "pod", *pods, *where, "--grace-period=0", "--force", "--wait=false")
        except CommandError:
            return False  # it went by itself
        return True

    async def is_well(self) -> bool:
        """Whether every pod is ready and none is on its way out."""
        pods = await asyncio.to_thread(objects, "pods", self.namespace, self._selector)
        working = [pod for pod in pods if _is_workload(pod)]
        return all(_is_ready(pod) for pod in working)

    def _ready(self) -> set[str]:
        """Workloads with a pod that is ready."""
        return {
            _workload_of(pod)
            for pod in objects("pods", self.namespace, self._selector)
            if _is_ready(pod)
        }

    def _pods(self, name: str) -> list[dict[str, Any]]:
        pods = objects("pods", self.namespace, self._selector)
        mine = [pod for pod in pods if _is_workload(pod) and _workload_of(pod) == name]
        return [pod for pod in mine if "deletionTimestamp" not in pod["metadata"]]

    @property
    def _selector(self) -> str:
        return f"app.kubernetes.io/name=wakeline,app.kubernetes.io/instance={self.name}"

    def _helm(self, verb: str, *more: str) -> None:
        profile = ("--values", str(CHART / "profiles" / f"{self.profile}.yaml"))
        run(
            *("helm", verb, self.name, str(CHART), "--namespace", self.namespace),
            *(profile if self.profile else ()),
            *("--values", "-"),
            *("--wait", "--timeout", "20m", *more),
            given=json.dumps(self.values),
            timeout=1300,
        )


def _is_ready(pod: Mapping[str, Any]) -> bool:
    conditions = pod["status"].get("conditions", [])
    ready = any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
    return ready and "deletionTimestamp" not in pod["metadata"]


def _workload_of(pod: Mapping[str, Any]) -> str:
    labels = pod["metadata"]["labels"]
    component = labels.get("app.kubernetes.io/component", "")
    return component if component == STORES else f"{component}-{labels.get('wakeline.io/process')}"


def _is_workload(pod: Mapping[str, Any]) -> bool:
    owners = pod["metadata"].get("ownerReferences", [])
    return any(owner["kind"] in ("ReplicaSet", "StatefulSet") for owner in owners)
