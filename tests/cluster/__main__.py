"""``python -m tests.cluster``: install, let the loop turn, kill pods, uninstall.

Needs a cluster in $KUBECONFIG whose node address is given and that has the images; `make
test-cluster` sees to that. Prints figures as JSON; the exit code is 1 if a promise was broken.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import secrets
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.cluster import edges
from tests.cluster.cluster import everything, kubectl, objects
from tests.cluster.release import Release
from tests.system.faults import clients
from tests.system.faults.run import Plan, Run
from tests.system.faults.schedule import Rates

PATIENCE = 600.0
"""Seconds for what takes minutes at most: a training, or coming to rest."""


def main() -> int:
    """Do all of it; what was installed is gone afterwards, unless something could not go on."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster")
    parser.add_argument("--kills", type=int, default=1, help="pods that are killed under load")
    parser.add_argument("--every", type=float, default=15.0, help="mean seconds between kills")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    parser.add_argument("--full", action="store_true", help="upgrade and roll back under load too")
    parser.add_argument("--release", default="loop")
    parser.add_argument("--namespace", default="wakeline-test")
    parser.add_argument("--tag", required=True, help="of the images")
    parser.add_argument("--node", required=True, help="address of the node, for NodePorts")
    parser.add_argument("--api-server", required=True, help="its HOST:PORT, as pods reach it")
    parser.add_argument("--keep", action="store_true", help="do not uninstall")
    arguments = parser.parse_args()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # its news are what we make
    # people's boxes mean nothing: what matters is that a real trainer runs on them
    clients.PROJECT_DOCUMENT["stages"][0]["training"] = {
        "trainer": "boxes",
        "trigger_labels": 30,
        "parameters": {"seed": 1, "steps": 10, "max_seconds": 60},
    }
    release = Release(arguments.release, arguments.namespace, arguments.node, arguments.tag)
    _make_namespace(release.namespace)
    release.uninstall()  # what a run that was broken off has left
    before = everything(release.namespace)
    try:
        figures = asyncio.run(_main(release, arguments))
    except BaseException:
        say(release.state())
        raise
    finally:
        if not arguments.keep:
            release.uninstall()
    if not arguments.keep:
        left = _leftovers(release, before)
        figures["violations"] += [f"{name} is left after uninstalling" for name in left]
        kubectl("delete", "namespace", release.namespace)
    print(json.dumps(figures, indent=1))
    return 1 if figures["violations"] else 0


async def _main(release: Release, arguments: argparse.Namespace) -> dict[str, Any]:
    """Install and try all; returns the figures, with everything that is wrong."""
    figures: dict[str, Any] = {"seed": arguments.seed}
    wrong: list[str] = []
    figures["seconds to ready"] = round(release.install(), 1)
    say(f"ready after {figures['seconds to ready']} s")
    release.test()
    say("helm test passed")
    wrong += edges.broken(release, arguments.api_server)
    say(f"edges tried, not as they have to be: {wrong or None}")
    release.open_stores()
    with tempfile.TemporaryDirectory(prefix="wakeline-cluster-") as home:
        plan = Plan(
            home=Path(home),
            seed=arguments.seed,
            kills=arguments.kills,
            rates=Rates(every=arguments.every, pause=0, outage=0, slow=0, fill=0),
            size=clients.Size(senders=1, labelers=3, reviewers=2),
            patience=PATIENCE,
        )
        run = UntilTrained(plan, say, release)  # type: ignore[arg-type]
        changing = asyncio.create_task(_change(release, run) if arguments.full else _nothing())
        summary = await run()
        await changing
        figures["memory MiB"] = _memory(release)
        figures |= asdict(summary)
        figures["training jobs"] = len(run.trainings)
    wrong += summary.violations
    return {**figures, "violations": wrong}


class UntilTrained(Run):
    """A run that goes on until a trainer's Job has succeeded: so long people find work."""

    trainings: frozenset[str] = frozenset()
    """Names of the Jobs."""

    async def _break(self, people: asyncio.Task[None]) -> None:
        await super()._break(people)
        self.tell("waiting for a training")
        async with asyncio.timeout(PATIENCE):
            while not await asyncio.to_thread(self._has_trained):
                await asyncio.sleep(1)
        self.tell("a training has ended well")

    def _has_trained(self) -> bool:
        jobs = objects("jobs", self.platform.namespace, "wakeline/run")  # type: ignore[attr-defined]
        self.trainings |= {job["metadata"]["name"] for job in jobs}
        return any(job["status"].get("succeeded") for job in jobs)


async def _change(release: Release, run: Run) -> None:
    """Upgrade and roll back while people work."""
    while sum(1 for _ in run.ledger.of("verdict")) < 5:
        await asyncio.sleep(0.5)
    await asyncio.to_thread(release.upgrade, "--set", "image.pullPolicy=Never")
    say("upgraded under load")
    await asyncio.to_thread(release.rollback)
    say("rolled back under load")


async def _nothing() -> None:
    return


def _leftovers(release: Release, before: set[str]) -> list[str]:
    """What is there now and was not before; what is on its way out gets two minutes."""
    deadline = time.monotonic() + 120
    while left := everything(release.namespace) - before:
        if time.monotonic() > deadline:
            break
        time.sleep(2)
    return sorted(left)


def _memory(release: Release) -> dict[str, int]:
    lines = kubectl("top", "pod", "--namespace", release.namespace, "--no-headers").splitlines()
    rows = [line.split() for line in lines]
    return {name: int(memory.removesuffix("Mi")) for name, _, memory in rows}


def _make_namespace(name: str) -> None:
    namespace = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": name,
            "labels": {"pod-security.kubernetes.io/enforce": "restricted"},
        },
    }
    kubectl("apply", "--filename", "-", given=json.dumps(namespace))


def say(line: str) -> None:
    """Print a line with the time."""
    print(time.strftime("%H:%M:%S"), line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
