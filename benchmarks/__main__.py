"""``python -m benchmarks [NAME ...] [--json FILE] [--readme]``: all benchmarks, or the named ones.

Every figure is a ratio to a yardstick measured in the same run, for machines differ and are noisy.
The exit status is 1 if a goal is missed or a benchmark fails. How large a benchmark is, is up to
the environment: see its module.
"""

import argparse
import asyncio
import importlib
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.report import Result
from wakeline_process import loop

NAMES = (
    "catchup",
    "consumer",
    "cycle",
    "export",
    "feeding",
    "freezing",
    "gate",
    "grouping",
    "inference",
    "intake",
    "memory",
    "opening",
    "queue",
    "relay",
    "saving",
    "upload",
)
LIMIT = float(os.environ.get("LIMIT", "600"))
"""Seconds that one benchmark may take."""
FOLDER = Path(__file__).parent
README, KEPT = FOLDER / "README.md", FOLDER / "figures.json"
BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"


def main() -> None:
    """Run benchmarks and print what they found."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--json", type=Path, help="write all figures here too")
    parser.add_argument(
        "--readme", action="store_true", help="keep the figures, and renew the README's tables"
    )
    given = parser.parse_args()
    if strangers := set(given.names) - set(NAMES):
        parser.error(f"no benchmark {', '.join(sorted(strangers))}: {', '.join(NAMES)}")
    results = [_run(name) for name in given.names or NAMES]
    print()
    print(report.as_text(results))
    if given.json:
        _write(given.json, results)
    if given.readme:
        _keep(results)
    sys.exit(any(result.missed for result in results))


def _run(name: str) -> Result:
    module = importlib.import_module(f"benchmarks.{name}")
    result = Result(
        name=name,
        work=(module.__doc__ or name).splitlines()[0].rstrip("."),
        yardstick=getattr(module, "YARDSTICK", "-"),
        date=datetime.now(UTC).date().isoformat(),
        commit=_commit(),
        machine=_machine(),
        seconds=0.0,
        figures={},
        goals=getattr(module, "GOALS", {}),
        either=getattr(module, "EITHER", ()),
    )
    print(f"== {name}: {result.work}", flush=True)
    started = time.perf_counter()
    figures: dict[str, Any] = {}
    error = None
    try:
        figures = loop.run(_as_a_process(module))
    except Exception as cause:  # the others are still to be measured
        error = f"{type(cause).__name__}: {cause}"[:300]
    seconds = round(time.perf_counter() - started, 1)
    result = replace(result, figures=figures, error=error, seconds=seconds)
    print(report.as_text([result]), flush=True)
    return result


async def _as_a_process(module: Any) -> dict[str, Any]:
    """Measure under the conditions of our processes, the yardstick too."""
    loop.calm_collector()
    figures: dict[str, Any] = await asyncio.wait_for(module.measure(), LIMIT)
    return figures


def _write(path: Path, results: Sequence[Result]) -> None:
    documents = {result.name: result.document() for result in results}
    path.write_text(json.dumps(documents, indent=2) + "\n")


def _keep(results: Sequence[Result]) -> None:
    """Put new figures in the place of the kept ones of the same benchmarks."""
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    kept |= {result.name: result.document() for result in results if result.error is None}
    every = [Result.of_document(kept[name]) for name in NAMES if name in kept]
    _write(KEPT, every)
    head, _, rest = README.read_text().partition(BEGIN)
    _, _, tail = rest.partition(END)
    README.write_text(f"{head}{BEGIN}\n\n{report.as_markdown(every)}\n{END}{tail}")


def _commit() -> str:
    def git(*words: str) -> str:
        command = ["git", "-C", str(FOLDER), *words]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()

    code = (":/", f":!{README.name}", f":!{KEPT.name}")
    changed = git("status", "--porcelain", "--untracked-files=no", "--", *code)
    return (git("rev-parse", "--short", "HEAD") or "unknown") + ("+" if changed else "")


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{len(os.sched_getaffinity(0))} cores, {memory:.0f} GiB, {platform.machine()}"


if __name__ == "__main__":
    main()
