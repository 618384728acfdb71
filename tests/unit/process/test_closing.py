"""A process whose work has ended ends, whatever does not close."""

import subprocess
import sys

HANGS = """
import asyncio
from wakeline_process import processes

processes.CLOSING = 0.1

async def main():
    try:
        raise RuntimeError("a part has failed")
    finally:
        processes.close_in_time()
        await asyncio.Event().wait()

asyncio.run(main())
"""


def test_what_does_not_close_keeps_no_process_alive() -> None:
    ended = subprocess.run([sys.executable, "-c", HANGS], capture_output=True, timeout=60)
    assert ended.returncode == 1
    assert b"ended without closing its connections" in ended.stdout + ended.stderr
