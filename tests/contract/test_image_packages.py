"""Each image installs what its service imports."""

from __future__ import annotations

import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import grimp
import pytest

from wakeline_embedded.layout import SERVICES

LOCKS = Path(__file__).parents[2] / "images" / "locks"
PROGRAMS = {name: f"wakeline_{name}.__main__" for name in SERVICES} | {
    "trainer": "wakeline_trainer.__main__",
    "trial": "wakeline_embedded.trial",
}
FOUND_BY_THEMSELVES = {"fiftyone"}
"""Packages that are used only where they are there."""


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    own = sorted({path.parent.name for path in _own_packages()})
    graph = grimp.build_graph(*own, include_external_packages=True)
    for module in graph.modules:
        package = module.rpartition(".")[0]
        if package in graph.modules:  # what imports a module runs its package's __init__
            graph.add_import(importer=module, imported=package)
    return graph


def _own_packages() -> list[Path]:
    root = Path(__file__).parents[2]
    places = ("libs/*", "services/*/*", "embedded/*", "trainer/*", "demo/*", "sdk/*")
    found = [path for place in places for path in root.glob(f"{place}/__init__.py")]
    return [path for path in found if path.parent.name.startswith("wakeline_")]


def _locked(image: str) -> set[str]:
    lock = LOCKS / f"{image}.txt"
    text = (LOCKS / "base.txt").read_text() + (lock.read_text() if lock.exists() else "")
    if image == "trainer":
        text += (LOCKS / "torch.txt").read_text()
    return {_plain(name) for name in re.findall(r"^([A-Za-z0-9._-]+)(?:\[.*\])?==", text, re.M)}


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("image", PROGRAMS)
def test_an_image_installs_what_its_program_imports(graph: grimp.ImportGraph, image: str) -> None:
    distributions = packages_distributions()
    program = PROGRAMS[image]
    needed = graph.find_upstream_modules(program) | {program}
    external = {
        name for name in needed if name in graph.modules and graph.is_module_squashed(name)
    } - set(sys.stdlib_module_names)
    assert "pydantic" in external
    locked = _locked(image)
    missing = {
        name
        for name in external - FOUND_BY_THEMSELVES
        if not {_plain(one) for one in distributions.get(name, [name])} & locked
    }
    assert not missing
