"""Writes ``wakeline_sdk/_sync`` from ``wakeline_sdk/_async``: one client, spelt twice."""

import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent / "wakeline_sdk"
REPLACEMENTS = (
    (r"\bAsync([A-Z]\w+)", r"\1"),
    (r"\b_async\b", "_sync"),
    (r"\basync (def|with|for)\b", r"\1"),
    (r"\bawait ", ""),
    (r"\b__aenter__\b", "__enter__"),
    (r"\b__aexit__\b", "__exit__"),
    (r"\baclose\b", "close"),
    (r"\baread\b", "read"),
    (r"\baiter_text\b", "iter_text"),
    (r"\baiter_bytes\b", "iter_bytes"),
    (r"\basynccontextmanager\b", "contextmanager"),
    (r"\bimport asyncio\b", "import time"),
    (r"\basyncio\.sleep\b", "time.sleep"),
    (r"\basyncio\.to_thread\(function, ", "function("),
    (r"\bin_tasks\b", "in_threads"),
    (r"asynchronous form, from which the synchronous one is generated", "synchronous form"),
)

TIDYING = (
    ("check", "--fix-only", "--unsafe-fixes", "--quiet", "--select", "I,F811,C416"),
    ("format",),
)
"""What ruff does to a generated module: two names may have become one."""


def sync_of(source: str) -> str:
    """The synchronous spelling of an asynchronous module."""
    for pattern, replacement in REPLACEMENTS:
        source = re.sub(pattern, replacement, source)
    return source


def main() -> int:
    """Write all modules; with ``--check`` only say whether they are up to date."""
    stale = []
    for path in sorted((HERE / "_async").glob("*.py")):
        target = HERE / "_sync" / path.name
        text = sync_of(path.read_text())
        for step in TIDYING:
            command = [sys.executable, "-m", "ruff", *step, "-", "--stdin-filename", str(target)]
            text = subprocess.run(
                command, input=text, capture_output=True, text=True, check=True
            ).stdout
        if not target.exists() or target.read_text() != text:
            stale.append(target.name)
            if "--check" not in sys.argv:
                target.parent.mkdir(exist_ok=True)
                target.write_text(text)
    if stale and "--check" in sys.argv:
        print(f"run {Path(__file__).name}: {', '.join(stale)}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
