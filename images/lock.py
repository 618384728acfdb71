"""Pins what each image installs: ``python images/lock.py`` writes ``images/locks/*.txt``.

One resolution for all, so that a package has the same version in every image and the images share
its layer. An image's own file holds only what it has beyond ``base.txt``. Needs ``uv``.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parent.parent
LOCKS = Path(__file__).parent / "locks"
IMAGES = {
    "ingest": ["ingest"],
    "prediction": ["prediction"],
    "training": ["training"],
    "trainer": ["trainer"],
    "trial": ["embedded"],
}
"""Image -> extras of ``wakeline``; labeling, lineage and review need no more than the base."""
SHARED = {
    "vision": ["ingest", "prediction", "trainer"],
}
"""Layer -> images that share it: it holds what all of them need. Each is made once."""

TORCH = "torch"
OF_TORCH = ("cuda-", "nvidia-", "triton")
"""What torch's builds for GPUs bring along: which build it is decides who builds the image."""


def main() -> None:
    """Write all files anew, with the newest versions that ``pyproject.toml`` allows."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)
    with (ROOT / "sdk" / "pyproject.toml").open("rb") as file:
        sdk = tomllib.load(file)["project"]
    ours = {"wakeline-sdk[cli]": [*sdk["dependencies"], *sdk["optional-dependencies"]["cli"]]}
    base = project["project"]["dependencies"]
    extras = project["project"]["optional-dependencies"]
    needs = {
        name: [one for extra in wanted for need in extras[extra] for one in ours.get(need, [need])]
        for name, wanted in IMAGES.items()
    }

    together = resolve(base + [one for needed in needs.values() for one in needed])
    pins = [f"{name}=={version_in(block)}" for name, block in together.items()]
    shared = resolve(base, pins)
    write("base", shared)
    beyond = {}
    for name, needed in needs.items():
        found = resolve(base + needed, pins)
        beyond[name] = {one: found[one] for one in found.keys() - shared.keys()}
    for layer, images in SHARED.items():
        first, *others = (beyond[image] for image in images)
        beyond[layer] = {one: first[one] for one in first if all(one in o for o in others)}
    for name, blocks in beyond.items():
        write(name, blocks, beyond="base")
    (LOCKS / "torch.txt").write_text(f"{TORCH}=={version_in(together[TORCH])}\n")
    write("build", resolve(project["build-system"]["requires"]))


def resolve(requirements: Iterable[str], pins: Iterable[str] = ()) -> dict[str, str]:
    """Name of each package -> its lines of a requirements file, with the hashes of its files."""
    with tempfile.TemporaryDirectory() as folder:
        wanted, pinned = Path(folder) / "wanted.in", Path(folder) / "pinned.txt"
        wanted.write_text("\n".join(requirements))
        pinned.write_text("\n".join(pins))
        command = [
            *("uv", "pip", "compile", "--quiet", "--generate-hashes", "--no-header"),
            *("--no-annotate", "--python-version", "3.11", "--python-platform", "linux"),
            *("--constraint", str(pinned), str(wanted)),
        ]
        answer = subprocess.run(command, capture_output=True, text=True)
    if answer.returncode:
        sys.exit(answer.stderr)
    blocks: dict[str, str] = {}
    for line in answer.stdout.splitlines(keepends=True):
        if not line.startswith(" "):
            name = line.partition("==")[0]
            blocks[name] = ""
        blocks[name] += line
    return blocks


def version_in(block: str) -> str:
    """The version that a package's lines pin."""
    return block.partition("==")[2].split()[0]


def write(name: str, blocks: dict[str, str], beyond: str | None = None) -> None:
    """Write one file, without torch and what only its builds for GPUs need."""
    kept = [block for one, block in sorted(blocks.items()) if not is_torch(one)]
    head = f"-r {beyond}.txt\n" if beyond else ""
    (LOCKS / f"{name}.txt").write_text(head + "".join(kept))


def is_torch(name: str) -> bool:
    """Whether a package is torch, or one of the libraries for GPUs that it brings."""
    return name == TORCH or name.startswith(OF_TORCH)


if __name__ == "__main__":
    main()
