"""A namespace of a real API server, and what the test does there in place of people and a node.

Pods of these tests ask for a node that no cluster has, so they stay pending wherever they are made,
and the test says of them what a node would.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
import yaml
from kubernetes import client, config

from tests.system.faults.roads import Road
from wakeline_embedded.ports import free_port

KUBECONFIG = os.environ.get("WAKELINE_TEST_KUBERNETES")
NOWHERE = {"wakeline.test/node": "nowhere"}
needs_kubernetes = pytest.mark.skipif(
    KUBECONFIG is None, reason="WAKELINE_TEST_KUBERNETES names no kubeconfig"
)


@dataclass
class Namespace:
    """A namespace that enforces the Pod Security Standard ``restricted``."""

    name: str
    api: client.ApiClient
    kubeconfig: Path
    """As an administrator, by ``road``."""
    road: Road
    """The only way to the API server for whoever uses ``kubeconfig``, unlike the test itself."""

    async def call(self, kind: Any, method: str, *args: Any, **more: Any) -> Any:
        """Call the API as an administrator and return plain JSON."""

        def blocking() -> Any:
            call = getattr(kind(self.api), method)
            return json.loads(call(*args, **more, _preload_content=False).data)

        return await asyncio.to_thread(blocking)

    async def jobs(self) -> list[dict[str, Any]]:
        """All Jobs."""
        found = await self.call(client.BatchV1Api, "list_namespaced_job", self.name)
        return list(found["items"])

    async def pods(self) -> list[dict[str, Any]]:
        """All pods."""
        found = await self.call(client.CoreV1Api, "list_namespaced_pod", self.name)
        return list(found["items"])

    async def pod(self) -> dict[str, Any]:
        """The only pod, once it is there."""
        async with asyncio.timeout(60):
            while not (pods := await self.pods()):
                await asyncio.sleep(0.1)
        (pod,) = pods
        return pod

    async def delete_job(self, name: str) -> None:
        """Delete a Job as somebody with kubectl does."""
        body = {"propagationPolicy": "Background"}
        await self.call(client.BatchV1Api, "delete_namespaced_job", name, self.name, body=body)

    async def evict(self, pod: Mapping[str, Any]) -> None:
        """Evict a pod as a drained node does."""
        name = pod["metadata"]["name"]
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
        eviction = "create_namespaced_pod_eviction"
        await self.call(client.CoreV1Api, eviction, name, self.name, body)

    async def say(self, pod: Mapping[str, Any], phase: str, state: Mapping[str, Any]) -> None:
        """Say of a pod what its node would."""
        image = pod["spec"]["containers"][0]["image"]
        container = {
            "name": "trainer", "image": image, "imageID": "", "ready": phase == "Running",
            "restartCount": 0, "state": state,
        }  # fmt: skip
        status = {"status": {"phase": phase, "containerStatuses": [container]}}
        patch = "patch_namespaced_pod_status"
        await self.call(
            client.CoreV1Api, patch, pod["metadata"]["name"], self.name, status,
            _content_type="application/strategic-merge-patch+json",
        )  # fmt: skip

    async def says_running(self, pod: Mapping[str, Any]) -> None:
        """Say that a pod's trainer is at work."""
        await self.say(pod, "Running", {"running": {"startedAt": _now()}})

    async def says_ended(self, pod: Mapping[str, Any], code: int, message: str = "") -> None:
        """Say that a pod's trainer has ended."""
        ended = {"exitCode": code, "reason": "Error" if code else "Completed", "message": message}
        ended |= {"startedAt": _now(), "finishedAt": _now()}
        await self.say(pod, "Failed" if code else "Succeeded", {"terminated": ended})


@asynccontextmanager
async def namespace(folder: Path) -> AsyncIterator[Namespace]:
    """Make a namespace, and delete it with all that is in it."""
    assert KUBECONFIG is not None
    settings = client.Configuration()
    config.load_kube_config(config_file=KUBECONFIG, client_configuration=settings)
    there = urlsplit(settings.host)
    assert there.hostname is not None
    road = Road(free_port(), there.port or 443, there.hostname)
    await road.open()
    name = f"wakeline-test-{uuid4().hex[:12]}"
    opened = Namespace(name, client.ApiClient(settings), folder / "kubeconfig", road)
    opened.kubeconfig.write_text(_by_road(Path(KUBECONFIG), road.port, there.hostname))
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    body = {"metadata": {"name": name, "labels": labels}}
    await opened.call(client.CoreV1Api, "create_namespace", body)
    try:
        yield opened
    finally:
        await road.close()
        await opened.call(client.CoreV1Api, "delete_namespace", name)


def with_rights(space: Namespace, rules: list[Mapping[str, Any]]) -> Callable[[], Any]:
    """Return what makes a kubeconfig of a service account with only these rules."""

    async def make() -> Path:
        core, rbac = client.CoreV1Api, client.RbacAuthorizationV1Api
        named = {"metadata": {"name": "runner"}}
        await space.call(core, "create_namespaced_service_account", space.name, named)
        await space.call(rbac, "create_namespaced_role", space.name, {**named, "rules": rules})
        subject = {"kind": "ServiceAccount", "name": "runner", "namespace": space.name}
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "runner"}
        bound = {**named, "subjects": [subject], "roleRef": role}
        await space.call(rbac, "create_namespaced_role_binding", space.name, bound)
        token = await space.call(
            core, "create_namespaced_service_account_token", "runner", space.name, {"spec": {}}
        )
        known = yaml.safe_load(space.kubeconfig.read_text())
        known["users"][0]["user"] = {"token": token["status"]["token"]}
        path = space.kubeconfig.with_name("kubeconfig-runner")
        path.write_text(yaml.safe_dump(known))
        return path

    return make


def _by_road(kubeconfig: Path, port: int, host: str) -> str:
    known = yaml.safe_load(kubeconfig.read_text())
    cluster = known["clusters"][0]["cluster"]
    cluster |= {"server": f"https://127.0.0.1:{port}", "tls-server-name": host}
    return yaml.safe_dump(known)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
