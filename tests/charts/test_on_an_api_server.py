"""What the chart asks a cluster while it is rendered: a real API server, no node."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml
from kubernetes import client

from tests.charts.rendering import CHART, INSTALLATIONS, RELEASE, STORES, HelmError, run
from tests.integration.training.kubernetes import Namespace, namespace, needs_kubernetes

pytestmark = needs_kubernetes


@pytest_asyncio.fixture(loop_scope="session")
async def space(tmp_path: Path) -> AsyncIterator[Namespace]:
    async with namespace(tmp_path) as opened:
        yield opened


async def _helm(space: Namespace, major: int, *arguments: str | Path) -> str:
    where = ("--namespace", space.name, "--kubeconfig", space.kubeconfig)
    return await asyncio.to_thread(run, major, *arguments, *where)


@pytest.mark.parametrize("major", [3, 4])
async def test_the_runner_of_training_reaches_the_api_server_and_nothing_beside_it(
    major: int, space: Namespace
) -> None:
    values = ("--values", STORES, "--show-only", "templates/networkpolicies.yaml")
    asked = await _helm(space, major, "template", RELEASE, CHART, *values, "--dry-run=server")
    (policy,) = [
        one
        for one in yaml.safe_load_all(asked)
        if one["metadata"]["name"] == "acme-wakeline-to-api-server"
    ]
    (rule,) = policy["spec"]["egress"]
    core, discovery = client.CoreV1Api, client.DiscoveryV1Api
    service = await space.call(core, "read_namespaced_service", "kubernetes", "default")
    slices = await space.call(discovery, "list_namespaced_endpoint_slice", "default")
    # where nobody reaches it through its Service, as on an API server without a node, there is none
    of_it = [one for one in slices["items"] if one["metadata"]["name"] == "kubernetes"]
    behind = [a for one in of_it for each in one["endpoints"] for a in each["addresses"]]
    assert [one["ipBlock"]["cidr"] for one in rule["to"]] == [
        f"{address}/32" for address in [*service["spec"]["clusterIPs"], *behind]
    ]
    ports = {one["port"] for one in rule["ports"]}
    assert ports == {443, 6443, *(each["port"] for one in of_it for each in one["ports"])}
    assert len(rule["ports"]) == len(ports)


@pytest.mark.parametrize(("before", "after"), [(3, 3), (3, 4), (4, 4)])
async def test_the_trials_keys_are_kept_over_an_upgrade(
    before: int, after: int, space: Namespace
) -> None:
    async def keys() -> dict[str, str]:
        name = f"{RELEASE}-wakeline-trial"
        secret = await space.call(client.CoreV1Api, "read_namespaced_secret", name, space.name)
        return {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}

    chosen = ("--values", *INSTALLATIONS["trial"], "--no-hooks")
    try:
        await _helm(space, before, "install", RELEASE, CHART, *chosen)
        drawn = await keys()
        await _helm(space, after, "upgrade", RELEASE, CHART, *chosen, "--set", "telemetry.sample=1")
        kept = await keys()
    finally:
        await _helm(space, after, "uninstall", RELEASE, "--no-hooks")
    assert all(drawn.values())
    assert {k: v for k, v in kept.items() if k != "secrets.json"} == {
        k: v for k, v in drawn.items() if k != "secrets.json"
    }
    # an order of keys is no difference
    assert json.loads(kept["secrets.json"]) == json.loads(drawn["secrets.json"])


async def test_who_may_not_ask_where_the_api_server_is_names_it(space: Namespace) -> None:
    unknown: Any = yaml.safe_load(space.kubeconfig.read_text())
    named = {"metadata": {"name": "installer"}}
    core, rbac = client.CoreV1Api, client.RbacAuthorizationV1Api
    await space.call(core, "create_namespaced_service_account", space.name, named)
    admin = {
        **named,
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "admin",
        },
        "subjects": [{"kind": "ServiceAccount", "name": "installer", "namespace": space.name}],
    }
    await space.call(rbac, "create_namespaced_role_binding", space.name, admin)
    token = await space.call(
        core, "create_namespaced_service_account_token", "installer", space.name, {"spec": {}}
    )
    unknown["users"][0]["user"] = {"token": token["status"]["token"]}
    space.kubeconfig.write_text(yaml.safe_dump(unknown))
    words = ("template", RELEASE, CHART, "--values", STORES, "--dry-run=server")
    words += ("--set", "priorityClasses.create=false")
    with pytest.raises(HelmError, match='"kubernetes" is forbidden'):
        await _helm(space, 4, *words)
    peers = json.dumps([{"ipBlock": {"cidr": "192.0.2.64/32"}}])
    rendered = await _helm(space, 4, *words, "--set-json", f"networkPolicy.apiServer.to={peers}")
    assert "192.0.2.64/32" in rendered
