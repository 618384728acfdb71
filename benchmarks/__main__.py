"""``python -m benchmarks [NAME ...] [--json FILE]``: all benchmarks, or the named ones.

Every figure is a ratio to a yardstick measured in the same run, for machines differ and are noisy.
"""

import argparse
import asyncio
import importlib
import json
from pathlib import Path
from typing import Any

NAMES = ("cycle", "saving")


def main() -> None:
    """Run benchmarks and print what they found."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", default=[], help=f"of {', '.join(NAMES)}")
    parser.add_argument("--json", type=Path, help="write all figures here too")
    given = parser.parse_args()
    figures: dict[str, Any] = {}
    for name in given.names or NAMES:
        module = importlib.import_module(f"benchmarks.{name}")
        print(f"== {name}: {(module.__doc__ or '').splitlines()[0]}", flush=True)
        figures[name] = asyncio.run(module.measure())
        for key, value in figures[name].items():
            print(f"{key:>28}  {value}")
    if given.json:
        given.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
