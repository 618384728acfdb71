"""Starts a trainer that cannot outlive its runner: ``guard.py RUNNER_PID NICE COMMAND...``.

Run by its path in an interpreter of its own, so that nothing has to happen between fork and exec
in the service's process, where threads may hold locks. Only the standard library.
"""

import contextlib
import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Bind this process's life to the runner's, lower its priority, and become the trainer."""
    runner, nice, *command = sys.argv[1:]
    libc = ctypes.CDLL(None, use_errno=True)
    # SIGKILL: a runner that died can't wait for a checkpoint, and the next attempt may begin soon.
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        sys.exit(f"prctl failed: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != int(runner):
        sys.exit("the runner died before its trainer began")
    os.nice(int(nice))
    # Linux shares the processor among sessions first (sched(7), "The autogroup feature"), and the
    # trainer is in one of its own.
    with contextlib.suppress(OSError), open("/proc/self/autogroup", "w") as group:
        group.write(nice)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
