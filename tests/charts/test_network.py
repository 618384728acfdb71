"""The NetworkPolicies are the documented edges: no more, no fewer."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from charts.values import SERVICES

from tests.charts.rendering import INSTALLATIONS, ROOT, STORES, Rendered, installation, render

PAGE = ROOT / "docs" / "explanation" / "network.md"
PROCESSES = ("serve", "consume", "relay", "run", "check", "migrate", "trainer")
EVERYTHING = {
    "auth.jwksUrl": "https://issuer.invalid/jwks",
    "telemetry.otlpEndpoint": "http://collector.invalid:4318",
    "services.lineage.settings.webhooks": {"receivers": ["hooks.invalid:443"]},
    "services.ingest.settings.urls": {"hosts": ["images.invalid"]},
    "networkPolicy.ingressFrom": [{"podSelector": {"matchLabels": {"is": "ingressFrom"}}}],
    "networkPolicy.metricsFrom": [{"podSelector": {"matchLabels": {"is": "metricsFrom"}}}],
    **{
        f"networkPolicy.{name}.to": [{"podSelector": {"matchLabels": {"is": name}}}]
        for name in (
            *("dns", "mongodb", "kafka", "s3", "apiServer", "issuer", "collector"),
            *("receivers", "imageHosts"),
        )
    },
}
"""Values with which every edge is there, and each peer carries its own name."""

Pod = tuple[str, str]
"""(service, process); "" stands for no service in particular."""
Edge = tuple[Pod | str, Pod | str, int]


def documented() -> set[Edge]:
    """The table of the page, pod by pod."""
    found: set[Edge] = set()
    for row in re.findall(r"^\| (`.+) \|$", PAGE.read_text(), re.MULTILINE):
        source, target, ports, _ = row.split(" | ")
        for port in ports.split(", "):
            for one in _ends(source):
                found |= {(one, other, int(port)) for other in _ends(target)}
    return found


def _ends(text: str) -> list[Pod | str]:
    names = re.findall(r"`(\w+)`", text)
    if not set(names) <= set(PROCESSES):
        return list(names)
    service = re.search(r" of (\w+)$", text)
    some = [service[1]] if service and service[1] in SERVICES else None
    return [
        pod for name in names for pod in PODS if pod[1] == name and (not some or pod[0] in some)
    ]


PODS: list[Pod] = [
    *((service, process) for service in SERVICES for process in PROCESSES[:5]),
    ("", "migrate"),
    ("training", "trainer"),
]
"""Everything that may run; what a service does not have is never selected by mistake either."""


def _labels(pod: Pod) -> dict[str, str]:
    labels = {
        "app.kubernetes.io/name": "wakeline",
        "app.kubernetes.io/instance": "acme",
        "wakeline.io/process": pod[1],
    }
    return labels | ({"app.kubernetes.io/component": pod[0]} if pod[0] else {})


def _selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    same = all(labels.get(k) == v for k, v in selector.get("matchLabels", {}).items())
    return same and all(
        labels.get(one["key"]) in one["values"] for one in selector.get("matchExpressions", [])
    )


def _peers(peers: list[dict[str, Any]]) -> Iterator[str]:
    for peer in peers:
        yield peer["podSelector"]["matchLabels"]["is"]


def rendered_edges(rendered: Rendered) -> set[Edge]:
    """What the policies allow, pod by pod."""
    found: set[Edge] = set()
    for policy in rendered.of("NetworkPolicy"):
        spec = policy["spec"]
        selected = [pod for pod in PODS if _selects(spec["podSelector"], _labels(pod))]
        for direction, key in (("egress", "to"), ("ingress", "from")):
            for rule in spec.get(direction, []):
                for port in rule["ports"]:
                    number = 8080 if port["port"] == "http" else port["port"]
                    for peer in _peers(rule[key]):
                        for pod in selected:
                            edge = (pod, peer) if direction == "egress" else (peer, pod)
                            found.add((*edge, number))
    return found


def test_the_rendered_graph_is_the_documented_one() -> None:
    assert rendered_edges(render([STORES], EVERYTHING)) == documented()


def test_without_issuer_collector_receivers_and_hosts_there_are_dns_stores_and_api_server() -> None:
    values = {
        **EVERYTHING,
        "auth.jwksUrl": "",
        "auth.jwks": '{"keys": []}',
        "telemetry.otlpEndpoint": "",
        "services.lineage.settings.webhooks": {},
        "services.ingest.settings.urls": {},
    }
    edges = rendered_edges(render([STORES], values))
    reached = {target for _, target, _ in edges if isinstance(target, str)}
    assert reached == {"dns", "mongodb", "kafka", "s3", "apiServer"}


@pytest.mark.parametrize("name", INSTALLATIONS)
def test_every_pod_is_denied_by_default(name: str) -> None:
    rendered = installation(name)
    deny = rendered.named("NetworkPolicy", "acme-wakeline-default-deny")["spec"]
    assert deny["policyTypes"] == ["Ingress", "Egress"]
    assert not deny.keys() & {"ingress", "egress"}
    for what, pod in rendered.pods():
        assert _selects(deny["podSelector"], pod["metadata"]["labels"]), what


def test_the_trials_stores_take_in_what_the_processes_may_send_and_send_nothing() -> None:
    rendered = installation("trial")
    policy = rendered.named("NetworkPolicy", "acme-wakeline-stores")["spec"]
    taken = {
        (process, rule["ports"][0]["port"])
        for rule in policy["ingress"]
        for peer in rule["from"]
        for process in peer["podSelector"]["matchExpressions"][0]["values"]
    }
    working = ("serve", "consume", "relay", "run", "all", "check")
    assert taken == {
        *((process, port) for process in working for port in (27017, 9092, 8333)),
        ("migrate", 27017),
        ("trainer", 8333),
        *((process, 8080) for process in ("serve", "all", "check")),
    }
    stores = {
        "app.kubernetes.io/name": "wakeline",
        "app.kubernetes.io/instance": "acme",
        "app.kubernetes.io/component": "stores",
        "wakeline.io/process": "stores",
    }
    out = [
        one["metadata"]["name"]
        for one in rendered.of("NetworkPolicy")
        if "egress" in one["spec"] and _selects(one["spec"]["podSelector"], stores)
    ]
    assert out == ["acme-wakeline-to-dns"]
