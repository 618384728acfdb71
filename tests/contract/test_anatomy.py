"""Who knows one service knows all: the same files and layers, and names that say something."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.services import ROOT, SERVICES
from wakeline_events.base import ServiceName

FILES = {
    *("__init__.py", "__main__.py", "wiring.py", "settings.py", "resources.py"),
    *("handlers.py", "jobs.py", "py.typed"),
}
FOLDERS = {"api", "domain", "migrations", "store"}
FILES_OR_FOLDERS = {"ports", "usecases"}
"""One module while it is short, a package once it is not."""
OWN = {
    "ingest": {"checking.py", "importing"},
    "labeling": set(),
    "review": set(),
    "training": {"archive.py", "launching"},
    "prediction": {"archive.py", "metrics.py", "predictors"},
    "lineage": {"metrics.py", "receivers.py", "sealing.py"},
}
"""Adapters that only this service has."""
SAYS_NOTHING = re.compile(r"(common|core|utils?|helpers?|managers?|misc)", re.IGNORECASE)
MACHINE = re.compile(
    r"(?<![\w.])/(work|root|home/\w+|Users/\w+|opt/pypi[\w-]*)/"
    r"|\b(files\.pythonhosted|(test\.)?pypi|download\.pytorch|registry\.npmjs)\.org\b"
    r"|--(extra-)?index-url|PIP_(EXTRA_)?INDEX_URL"
)


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_has_the_same_anatomy(name: ServiceName) -> None:
    there = _names(ROOT / "services" / name / f"wakeline_{name}")
    assert there >= FILES | FOLDERS
    for part in FILES_OR_FOLDERS:
        assert len({part, f"{part}.py"} & there) == 1, part
    either = {form for part in FILES_OR_FOLDERS for form in (part, f"{part}.py")}
    assert there - FILES - FOLDERS - either == OWN[name]


@pytest.mark.parametrize("name", SERVICES)
def test_api_and_store_have_their_parts_under_the_same_names(name: ServiceName) -> None:
    package = ROOT / "services" / name / f"wakeline_{name}"
    assert {"models.py", "problems.py"} <= _names(package / "api")
    assert "unit_of_work.py" in _names(package / "store")
    assert "errors.py" in _names(package / "domain") or _errors_beside_their_rules(package)


def test_import_contracts_hold() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    found = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr


def test_no_file_or_folder_has_a_name_that_says_nothing() -> None:
    parts = {part for path in _tracked() for part in (*path.parent.parts, path.stem)}
    assert [part for part in sorted(parts) if SAYS_NOTHING.fullmatch(part)] == []


def test_no_tracked_file_names_a_path_of_a_machine_or_a_package_registry() -> None:
    found = []
    for path in _tracked():
        if ROOT / path == Path(__file__):
            continue  # names what it looks for
        try:
            text = (ROOT / path).read_text()
        except UnicodeDecodeError:
            continue  # no text
        found += [f"{path}: {match.group()}" for match in MACHINE.finditer(text)]
    assert found == []


def test_the_search_for_machines_and_registries_finds_them() -> None:
    machine = "/".join(("cd ", "work", "x"))  # in parts, for this file is searched by others too
    for text in (machine, "/home/ann/x", "https://pypi.org/simple", "--index-url x"):
        assert MACHINE.search(text), text
    for text in ("our work/life", "docs/home/page", "the home page", "at work/"):
        assert not MACHINE.search(text), text


def _errors_beside_their_rules(package: Path) -> bool:
    sources = [path.read_text() for path in (package / "domain").glob("*.py")]
    return any(re.search(r"^class \w+Error\(", source, re.MULTILINE) for source in sources)


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.name != "__pycache__"}


def _tracked() -> list[Path]:
    """Files of the repository, those that are not committed yet included."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    return [Path(name) for name in listed.split("\0") if name and (ROOT / name).is_file()]
