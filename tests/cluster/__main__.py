"""``python -m tests.cluster``: install, let the loop turn, break it, uninstall.

Needs a cluster in $KUBECONFIG whose node address is given and that has the images; `make
test-cluster` sees to that. Prints figures as a table and as JSON; the exit code is 1 if a promise
was broken.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import secrets
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.cluster.cluster import everything, kubectl
from tests.cluster.own_stores import OwnStoresRelease
from tests.cluster.release import Release
from tests.cluster.turn import PATIENCE, Means, Turn
from tests.integration.secure.stores import GIVEN, provided
from tests.system.faults import clients
from tests.system.faults.run import Plan
from tests.system.faults.schedule import Rates
from tests.system.faults.subjects import RealImages
from wakeline_testing import KafkaAddress, MongoAddress, Scope, Stack
from wakeline_testing.stack import parse_s3

TRIAL, OWN_STORES = "trial", "own-stores"
Figures = dict[str, Any]


def main() -> int:
    """Do all of it; what was installed is gone afterwards, unless something could not go on."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster")
    parser.add_argument("--kills", type=int, default=1, help="pods that are killed under load")
    parser.add_argument("--every", type=float, default=15.0, help="mean seconds between kills")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    parser.add_argument("--full", action="store_true", help="upgrade and roll back under load too")
    parser.add_argument("--only", choices=(TRIAL, OWN_STORES), help="one of the two installs")
    parser.add_argument("--data", type=Path, help="folder of real images with boxes to label")
    parser.add_argument("--release", default="loop")
    parser.add_argument("--namespace", default="wakeline-test")
    parser.add_argument("--tag", required=True, help="of the images")
    parser.add_argument("--node", required=True, help="address of the node, for NodePorts")
    parser.add_argument("--api-server", required=True, help="its HOST:PORT, as pods reach it")
    parser.add_argument("--api-server-pid", type=Path, help="file with its process id, to halt it")
    parser.add_argument("--restart-node", help="command that takes the node down and up again")
    parser.add_argument("--keep", action="store_true", help="do not uninstall")
    arguments = parser.parse_args()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # its news are what we make
    clients.PROJECT_DOCUMENT["stages"][0] |= {
        "predictors": [{"name": "own"}, {"name": "heuristic.threshold"}],
        "training": {
            "trainer": "boxes",
            "trigger_labels": 60 if arguments.data else 30,
            # boxes without a meaning: what matters is that a real trainer runs on them
            "parameters": {"max_seconds": 60} | ({} if arguments.data else {"steps": 10}),
        },
    }
    found = asyncio.run(_main(arguments))
    print(json.dumps(found, indent=1))
    _show(found)
    return 1 if any(figures["violations"] for figures in found.values()) else 0


async def _main(arguments: argparse.Namespace) -> dict[str, Figures]:
    """Every install that is asked for, one after the other: its name -> its figures."""
    found = {}
    wanted = [arguments.only] if arguments.only else [TRIAL]
    if arguments.full and not arguments.only:
        if GIVEN in os.environ:
            wanted.append(OWN_STORES)
        else:
            say(f"not tried on a platform team's own stores: {GIVEN} names none")
    of_all = (arguments.release, arguments.namespace, arguments.node, arguments.tag)
    if OWN_STORES in wanted:
        async with _given_stores(arguments.node) as stores:
            release = OwnStoresRelease(*of_all, stores)
            found[OWN_STORES] = await _try(release, arguments, OWN_STORES)
    if TRIAL in wanted:
        found[TRIAL] = await _try(Release(*of_all), arguments, TRIAL)
    return found


@asynccontextmanager
async def _given_stores(node: str) -> AsyncIterator[Any]:
    """A Kafka and a MinIO that are given, and a mongod at the node's address."""
    stack = Stack(
        KafkaAddress(os.environ["WAKELINE_TEST_KAFKA"]),
        MongoAddress(""),
        parse_s3(os.environ["WAKELINE_TEST_S3"]),
    )
    with tempfile.TemporaryDirectory(prefix="wakeline-stores-") as folder:
        async with provided(Scope(stack, "wakeline"), Path(folder), host=node) as stores:
            yield stores


async def _try(release: Release, arguments: argparse.Namespace, name: str) -> Figures:
    """Install, work, break, uninstall."""
    say(f"--- {name} ---")
    await asyncio.to_thread(_make_namespace, release.namespace)
    await asyncio.to_thread(release.uninstall)  # what a run that was broken off has left
    before = await asyncio.to_thread(everything, release.namespace)
    try:
        figures = await _work(release, arguments)
    except BaseException:
        say(release.state())
        raise
    finally:
        if not arguments.keep:
            await asyncio.to_thread(release.uninstall)
    if not arguments.keep:
        left = await asyncio.to_thread(_leftovers, release, before)
        figures["violations"] += [f"{name} is left after uninstalling" for name in left]
        await asyncio.to_thread(kubectl, "delete", "namespace", release.namespace)
    return figures


async def _work(release: Release, arguments: argparse.Namespace) -> Figures:
    """Install and let people work while things break; returns the figures."""
    installed = time.time()
    ready = await asyncio.to_thread(release.install)
    say(f"ready after {ready:.1f} s")
    await asyncio.to_thread(release.open_stores)
    lasting = arguments.full and release.stores_are_pods
    means = Means(
        arguments.api_server,
        change=lasting,
        api_server_pid=arguments.api_server_pid if lasting else None,
        restart_node=arguments.restart_node if lasting else None,
    )
    with tempfile.TemporaryDirectory(prefix="wakeline-cluster-") as home:
        plan = Plan(
            home=Path(home),
            seed=arguments.seed,
            kills=arguments.kills,
            rates=Rates(every=arguments.every, pause=0, outage=0, slow=0, fill=0),
            size=clients.Size(senders=1, labelers=3, reviewers=2),
            subject=RealImages(arguments.data) if arguments.data else None,
            patience=PATIENCE,
        )
        turn = Turn(plan, say, release, means)
        summary = asdict(await turn())
        found = await turn.judge(installed)
    wrong = summary.pop("violations") + found.violations
    return {"seconds to ready": round(ready, 1)} | found.figures | summary | {"violations": wrong}


def _leftovers(release: Release, before: set[str]) -> list[str]:
    """What is there now and was not before; what is on its way out gets two minutes."""
    deadline = time.monotonic() + 120
    while left := everything(release.namespace) - before:
        if time.monotonic() > deadline:
            break
        time.sleep(2)
    return sorted(left)


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


def _show(found: dict[str, Figures]) -> None:
    """Print the figures side by side."""
    names = list(dict.fromkeys(key for figures in found.values() for key in figures))
    print(f"{'':52}" + "".join(f"{name:>24}" for name in found), file=sys.stderr)
    for key in names:
        cells = [_cell(figures.get(key, "-")) for figures in found.values()]
        print(f"{key:52}" + "".join(f"{cell:>24}" for cell in cells), file=sys.stderr)


def _cell(figure: Any) -> str:
    match figure:
        case dict() if figure and all(isinstance(one, int) for one in figure.values()):
            return str(sum(figure.values()))
        case dict() | list():
            return str(len(figure))
        case float():
            return f"{figure:.2f}"
        case _:
            return str(figure)


def say(line: str) -> None:
    """Print a line with the time."""
    print(time.strftime("%H:%M:%S"), line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
