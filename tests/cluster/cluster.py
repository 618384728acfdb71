"""What the tests ask of a cluster, by kubectl and helm as any operator would."""

from __future__ import annotations

import json
import subprocess
from typing import Any, Final

NOT_OURS: Final = ("events", "events.events.k8s.io", "leases.coordination.k8s.io")
"""Kinds that the cluster itself writes all the time."""
OF_EVERY_NAMESPACE: Final = {"configmaps/kube-root-ca.crt", "serviceaccounts/default"}


class CommandError(Exception):
    """A command failed; the message is what it said."""


def run(*words: str, given: str | None = None, timeout: float = 600) -> str:
    """Run a program and return what it prints."""
    done = subprocess.run(words, input=given, capture_output=True, text=True, timeout=timeout)
    if done.returncode:
        raise CommandError(f"{' '.join(words)}\n{done.stdout}{done.stderr}")
    return done.stdout


def kubectl(*words: str, given: str | None = None) -> str:
    """Run kubectl."""
    return run("kubectl", *words, given=given)


def objects(kind: str, namespace: str, selector: str = "") -> list[dict[str, Any]]:
    """The objects of a kind in a namespace."""
    words = ["get", kind, "--namespace", namespace, "--output", "json"]
    if selector:
        words += ["--selector", selector]
    found: list[dict[str, Any]] = json.loads(kubectl(*words))["items"]
    return found


def everything(namespace: str) -> set[str]:
    """Every object in a namespace and every one that belongs to none, as ``kind/name``."""
    return _names(namespace) | _names(None)


def _names(namespace: str | None) -> set[str]:
    own = "true" if namespace else "false"
    listed = kubectl(
        "api-resources", "--verbs", "list", "--namespaced=" + own, "--output", "name"
    ).split()
    kinds = [kind for kind in listed if kind not in NOT_OURS and "metrics.k8s.io" not in kind]
    where = ["--namespace", namespace] if namespace else []
    names = kubectl("get", ",".join(kinds), *where, "--output", "name", "--ignore-not-found")
    return {name for name in names.split() if _plain(name) not in OF_EVERY_NAMESPACE}


def _plain(name: str) -> str:
    kind, _, rest = name.partition("/")
    return f"{kind.partition('.')[0]}s/{rest}"
