"""The long run: ``python -m tests.system.faults --kills 1000``."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import secrets
import sys
import time
from dataclasses import asdict
from pathlib import Path

from tests.system.faults.platform import can_mount
from tests.system.faults.run import Plan, Run
from tests.system.faults.schedule import Rates


def main() -> int:
    """Make the run, or go on with the one in the folder; 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.system.faults")
    parser.add_argument("--home", type=Path, default=Path(".faults"), help="folder of the run")
    parser.add_argument("--kills", type=int, default=1_000)
    parser.add_argument("--seed", type=int, help="any number; printed if not given")
    parser.add_argument("--every", type=float, default=Rates.every, help="seconds between faults")
    parser.add_argument("--keep-up", action="store_true", help="leave the platform running")
    arguments = parser.parse_args()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # its news are what we make
    kept = arguments.home / "plan.json"
    seed = json.loads(kept.read_text())["seed"] if kept.exists() else arguments.seed
    if seed is None:
        seed = secrets.randbelow(1_000_000)
    arguments.home.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps({"seed": seed, "kills": arguments.kills}))
    why_not = can_mount()
    if why_not is not None:
        print(f"no disk will be filled: {why_not}")
    plan = Plan(
        home=arguments.home.absolute(),
        seed=seed,
        kills=arguments.kills,
        rates=Rates(every=arguments.every),
        small_disks=why_not is None,
        patience=600.0,
    )
    return asyncio.run(_main(plan, keep_up=arguments.keep_up))


async def _main(plan: Plan, *, keep_up: bool) -> int:
    run = Run(plan, lambda line: print(time.strftime("%H:%M:%S"), line, flush=True))
    try:
        summary = await run()
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("broken off; the same command goes on with this run")
        raise
    print(json.dumps(asdict(summary), indent=1))
    if not keep_up:
        await run.platform.down()
    return 1 if summary.violations else 0


if __name__ == "__main__":
    sys.exit(main())
