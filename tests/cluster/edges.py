"""Which connections the release's network policies let through: tried, from pods.

A refused edge proves nothing alone, as the other end may be down: beside each stands one that is
let through to the same place.
"""

from __future__ import annotations

import json
import time
from typing import NamedTuple

from tests.cluster.cluster import kubectl
from tests.cluster.release import STORES, Release

PROBE = """
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor

def is_open(place):
    host, port = place.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), 5).close()
        return True
    except OSError:
        return False

places = sys.argv[1:]
with ThreadPoolExecutor(len(places)) as pool:
    print(json.dumps(list(pool.map(is_open, places))))
"""


class Edge(NamedTuple):
    """A connection, and whether it has to be possible."""

    source: str
    """Workload, "trainer", or "stranger": a pod that is nothing of the release."""
    place: str
    allowed: bool


def edges(release: Release, api_server: str) -> list[Edge]:
    """What has to be shut, each beside what has to be open."""
    labeling, stores = f"{release.fullname}-labeling:8080", release.places
    review, runner = release.process("review", "consume"), release.process("training", "run")
    found = [
        *(Edge(review, place, True) for place in stores.values()),
        Edge(review, labeling, False),
        Edge("stranger", labeling, False),
        Edge("trainer", stores["s3"], True),
        *(Edge("trainer", stores[name], False) for name in ("mongodb", "kafka")),
        Edge("trainer", labeling, False),
        Edge(runner, api_server, True),
        *(Edge(source, api_server, False) for source in (review, "trainer")),
    ]
    if not release.stores_are_pods:
        # The broker's other listener, on the same address: open to who is nothing of the release.
        return [
            *found,
            Edge("stranger", release.bootstrap, True),
            *(Edge(source, release.bootstrap, False) for source in (review, "trainer", runner)),
        ]
    pod = f"{release.fullname}-{STORES}"
    return [
        *found,
        *(Edge("stranger", place, False) for place in (*stores.values(), f"{pod}:8080")),
        Edge(STORES, labeling, False),
        Edge(STORES, api_server, False),
        # the master of SeaweedFS, within the pod that everybody may reach on other ports
        Edge(review, f"{pod}:8335", False),
    ]


def broken(release: Release, api_server: str) -> list[str]:
    """Every edge that is not as it has to be, in one line each."""
    wanted = edges(release, api_server)
    lines = []
    for source in dict.fromkeys(edge.source for edge in wanted):
        mine = [edge for edge in wanted if edge.source == source]
        places = [edge.place for edge in mine]
        strange = source in ("trainer", "stranger")
        open_ = _from_pod(release, source, places) if strange else _within(release, source, places)
        for edge, is_open in zip(mine, open_, strict=True):
            if is_open != edge.allowed:
                said = "is open" if is_open else "is shut"
                lines.append(f"{edge.source} -> {edge.place} {said}")
    return lines


def _within(release: Release, name: str, places: list[str]) -> list[bool]:
    kind = "statefulset" if name == STORES else "deployment"
    pod = (f"{kind}/{release.fullname}-{name}", "--namespace", release.namespace)
    found: list[bool] = json.loads(kubectl("exec", *pod, "--", "python", "-c", PROBE, *places))
    return found


def _from_pod(release: Release, source: str, places: list[str]) -> list[bool]:
    """Try from a pod of our own, labeled as the trainers that `training` starts, or not at all."""
    labels = {"edges": source}
    if source == "trainer":
        labels |= {
            "app.kubernetes.io/name": "wakeline",
            "app.kubernetes.io/instance": release.name,
            "app.kubernetes.io/component": "training",
            "wakeline.io/process": "trainer",
        }
    name = f"edges-{source}"
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": release.namespace, "labels": labels},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "securityContext": {
                "runAsNonRoot": True,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "probe",
                    "image": f"wakeline-lineage:{release.tag}",
                    "command": ["python", "-c", PROBE, *places],
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                }
            ],
        },
    }
    where = ("--namespace", release.namespace)
    kubectl("apply", "--filename", "-", given=json.dumps(pod))
    try:
        kubectl(
            "wait",
            f"pod/{name}",
            *where,
            "--for=jsonpath={.status.phase}=Succeeded",
            "--timeout=180s",
        )
        found: list[bool] = json.loads(kubectl("logs", name, *where))
        return found
    finally:
        kubectl("delete", "pod", name, *where, "--wait=true")
        time.sleep(0.1)
