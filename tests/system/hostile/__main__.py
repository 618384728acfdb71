"""All hostile inputs: ``python -m tests.system.hostile``."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

from tests.system.hostile import records
from tests.system.hostile.run import (
    Report,
    Target,
    all_attacks,
    look_after,
    prepare,
    publish,
    refused_records,
    send,
)


def main() -> int:
    """Send them all; 1 if anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.system.hostile")
    parser.add_argument("--each", type=int, default=5, help="generated requests an operation")
    arguments = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="wakeline-hostile-"))
    try:
        report = asyncio.run(_all(home, arguments.each))
    finally:
        shutil.rmtree(home, ignore_errors=True)
    print(*report.wrong, sep="\n")
    print(report)
    return 1 if report.wrong else 0


async def _all(home: Path, each: int) -> Report:
    report = Report()
    async with Target.running(home) as target:
        leased, reviewed = await prepare(target)
        before = target.pids()
        attacks = await all_attacks(target, leased, reviewed, each=each)
        print(f"{len(attacks)} requests", flush=True)
        await send(target, attacks, report)
        await publish(target, records.records("all"), report)
        set_aside = await refused_records(target)
        print(f"events set aside with their cause: {dict(set_aside)}", flush=True)
        await look_after(target, before, report)
    return report


if __name__ == "__main__":
    sys.exit(main())
