"""Which connections the release's network policies let through: tried, from pods.

A refused edge proves nothing alone, as the other end may be down: beside each stands one that is
let through to the same place.
"""

from __future__ import annotations

import json
import time
from typing import NamedTuple

from tests.cluster.cluster import kubectl
from tests.cluster.release import Release

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
    full = release.fullname
    stores, labeling = f"{full}-stores", f"{full}-labeling:8080"
    return [
        *(Edge("review-all", f"{stores}:{port}", True) for port in (27017, 9092, 8333)),
        Edge("review-all", labeling, False),
        Edge("stores", labeling, False),
        Edge("stranger", labeling, False),
        *(Edge("stranger", f"{stores}:{port}", False) for port in (27017, 9092, 8333, 8080)),
        Edge("trainer", f"{stores}:8333", True),
        *(Edge("trainer", f"{stores}:{port}", False) for port in (27017, 9092)),
        Edge("trainer", labeling, False),
        Edge("training-all", api_server, True),
        *(Edge(source, api_server, False) for source in ("review-all", "trainer", "stores")),
        # the master of SeaweedFS, within the pod that everybody may reach on other ports
        Edge("review-all", f"{stores}:8335", False),
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
    kind = "statefulset" if name == "stores" else "deployment"
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
