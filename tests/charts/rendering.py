"""The chart as tests see it: rendered by a real Helm, without any cluster."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "wakeline"
STORES = CHART / "examples" / "own-stores.yaml"
RELEASE = "acme"
"""Not "wakeline": so names begin with "acme-wakeline", and none is written out by hand."""

INSTALLATIONS: Mapping[str, tuple[Path, ...]] = {
    "trial": (CHART / "profiles" / "trial.yaml",),
    "own-stores": (STORES,),
    **{size: (STORES, CHART / "profiles" / f"{size}.yaml") for size in ("small", "medium")},
    "large": (
        STORES,
        CHART / "examples" / "strimzi-tls.yaml",
        CHART / "profiles" / "large.yaml",
    ),
    "operators": (
        STORES,
        *(
            CHART / "examples" / f"{name}.yaml"
            for name in (
                *("strimzi", "mongodb-operator", "air-gap", "gpu", "monitoring", "gateway"),
            )
        ),
    ),
}
"""Every way to install that the chart ships: name -> files of values."""


class HelmError(Exception):
    """Helm refused; its words."""


@cache
def helm(major: int) -> Path:
    """The program, fetched once."""
    folder = Path(sys.prefix) / "helm"
    subprocess.run(
        [ROOT / "tools" / "helm", folder],
        check=True,
        capture_output=True,
        env={**os.environ, "PYTHON": sys.executable},
    )
    return folder / f"helm{major}"


def run(major: int, *arguments: str | Path) -> str:
    """Helm's output.

    Raises
    ------
    HelmError
        If it exits with another status than 0.
    """
    done = subprocess.run([helm(major), *arguments], capture_output=True, text=True)
    if done.returncode:
        raise HelmError(done.stderr + done.stdout)
    return done.stdout


@dataclass(frozen=True)
class Rendered:
    """The objects of one installation."""

    objects: tuple[dict[str, Any], ...]

    def of(self, *kinds: str) -> list[dict[str, Any]]:
        """Objects of these kinds."""
        return [one for one in self.objects if one["kind"] in kinds]

    def named(self, kind: str, name: str) -> dict[str, Any]:
        """The object of a kind with a name, without the release's own part of it."""
        return next(one for one in self.of(kind) if one["metadata"]["name"] == name)

    def pods(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every pod that comes of these objects: its owner, and its metadata and spec."""
        for one in self.objects:
            what = f"{one['kind']} {one['metadata']['name']}"
            if one["kind"] == "Pod":
                yield what, one
            elif "template" in one.get("spec", {}):
                yield what, one["spec"]["template"]


def render(
    files: Sequence[Path] = (), values: Mapping[str, Any] | None = None, major: int = 4
) -> Rendered:
    """Render the chart with files of values, and values over them.

    Raises
    ------
    HelmError
        If Helm refuses them.
    """
    return _render(tuple(files), json.dumps(values or {}), major)


@cache
def _render(files: tuple[Path, ...], values: str, major: int) -> Rendered:
    arguments: list[str | Path] = ["template", RELEASE, CHART, "--namespace", "labels"]
    for file in files:
        arguments += ["--values", file]
    for key, value in json.loads(values).items():
        arguments += ["--set-json", f"{key}={json.dumps(value)}"]
    # The loader in C: the one in Python takes longer than everything else about these tests.
    documents = yaml.load_all(run(major, *arguments), Loader=yaml.CSafeLoader)
    return Rendered(tuple(one for one in documents if one is not None))


def installation(name: str, major: int = 4) -> Rendered:
    """One of INSTALLATIONS."""
    return render(INSTALLATIONS[name], major=major)
