"""Each image holds what its lock says: no package less, and none of another image's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

IMAGES = Path(__file__).parents[2] / "images"
STAGES: dict[str, str] = dict(
    re.findall(
        r"^FROM \S+ AS (\S+)\n(.*?)(?=^FROM |\Z)",
        (IMAGES / "Dockerfile").read_text(),
        re.MULTILINE | re.DOTALL,
    )
)
TARGETS = ("labeling", "lineage", "review", "training", "ingest", "prediction", "trial", "trainer")


def locked(name: str) -> set[str]:
    """Packages and versions in a lock, beyond the base."""
    file = IMAGES / "locks" / f"{name}.txt"
    return set(re.findall(r"^\S+==\S+", file.read_text(), re.MULTILINE)) if file.exists() else set()


@pytest.mark.parametrize("target", TARGETS)
def test_the_layers_of_an_image_are_its_lock(target: str) -> None:
    layers = re.findall(r"^COPY --from=(\S+-packages) ", STAGES[target], re.MULTILINE)
    found: set[str] = set()
    for stage in layers:
        for lock in re.findall(r"locks/(\w+)\.txt", STAGES[stage].partition("RUN")[0]):
            found |= locked(lock)
    wanted = locked(target) | (locked("torch") if target == "trainer" else set())
    assert found == wanted
