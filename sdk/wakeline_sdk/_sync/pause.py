"""Waiting, the one thing that is spelt differently with and without async."""

import time


def pause(seconds: float) -> None:
    """Wait."""
    time.sleep(seconds)
