"""Backup and restore of a stack: nothing acknowledged before it is lost, and the loop goes on."""

import gzip
import json
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import typer
from tests.integration.sdk import fields
from typer.testing import CliRunner, Result

from wakeline_embedded import documents, ports
from wakeline_embedded.backup import MANIFEST
from wakeline_embedded.commands import register
from wakeline_embedded.layout import BLOCK, Layout
from wakeline_sdk import Client, NotFoundError, Upload

pytestmark = pytest.mark.long

APP = typer.Typer()
register(APP)
NAME = "weeds"


class Home:
    """A stack's folder and the command line on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *words: str | Path) -> Result:
        return CliRunner().invoke(APP, [*map(str, words), "--home", str(self.folder)])

    def done(self, *words: str | Path) -> str:
        done = self.run(*words)
        assert done.exit_code == 0, done.stderr
        return done.stdout

    def client(self, role: str, person: str, team: str | None = None) -> Client:
        told = documents.read(Layout.of(self.folder).client)
        assert told is not None
        words = ["--role", role, "--person", person, *(("--team", team) if team else ())]
        return Client(told["url"], self.done("token", *words).strip())

    def files(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()} if self.folder.exists() else set()


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path / "stack")
    yield made
    made.run("down")


@pytest.fixture
def moved(tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path / "elsewhere" / "stack")
    yield made
    made.run("down")


@pytest.mark.timeout(400)
def test_what_was_acknowledged_before_a_backup_is_there_after_a_restore_and_the_loop_goes_on(
    home: Home, moved: Home, tmp_path: Path
) -> None:
    home.done("up", "--port", str(ports.free_block(BLOCK)))
    with home.client("admin", "p-admin") as client:
        client.datasets.create(NAME)
        client.teams.put(NAME, name="Weeders")
        pictures = fields.images(tmp_path / "scans", 4, seed=4)
        client.datasets.upload_all(NAME, [Upload(path) for path in pictures])
        client.projects.apply(fields.document(NAME))
    submitted = [label_next(home), label_next(home)]
    home.done("down")
    file = tmp_path / "all.backup"
    told = " ".join(home.done("backup", file).split())  # however wide the terminal
    assert "It holds the stack's keys" in told
    assert file.stat().st_mode & 0o777 == 0o600
    shutil.rmtree(home.folder)

    moved.done("restore", file, "--port", str(ports.free_block(BLOCK)))
    moved.done("up")
    with moved.client("admin", "p-admin") as client:
        assert {label.label_id for label in client.labels.list(NAME)} == set(submitted)
        assert client.datasets.get(NAME).received == 4
    label_next(moved)
    accepted = 0
    with moved.client("reviewer", "p-rita", NAME) as reviewer:
        deadline = time.monotonic() + 90
        while accepted < 3 and time.monotonic() < deadline:
            with suppress(NotFoundError):
                for lease in reviewer.reviews.take(NAME, "mark", count=5):
                    reviewer.reviews.judge(lease, "accept")
                    accepted += 1
    assert accepted == 3, "labels from before and after are reviewed"
    with moved.client("admin", "p-admin") as client:
        while any(label.state != "accepted" for label in client.labels.list(NAME)):
            assert time.monotonic() < deadline
            time.sleep(0.3)
        for service in client.operations.services():
            backlog = client.operations.backlog(service)
            assert (backlog.dead, backlog.parked, backlog.waiting) == (0, 0, 0)


def label_next(home: Home) -> str:
    """Label the next task and return the id that was acknowledged."""
    with home.client("labeler", "p-ann", NAME) as labeler:
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            with suppress(NotFoundError):  # it is on its way
                (lease,) = labeler.leases.take(NAME, "mark")
                return labeler.leases.submit(lease, [fields.weed()]).label_id
            time.sleep(0.3)
    raise AssertionError("no task comes")


def test_a_stack_that_is_up_stands_still_for_its_backup_and_is_up_again(
    home: Home, moved: Home, tmp_path: Path
) -> None:
    home.done("up", "--servers-only")
    file = tmp_path / "up.backup"
    home.done("backup", file)
    assert home.run("status").exit_code == 0
    again = home.run("backup", file)
    assert again.exit_code == 1
    assert "never replaces" in again.stderr
    assert home.run("status").exit_code == 0, "a backup that fails leaves the stack up as well"
    home.done("down")

    before = home.files()
    refused = home.run("restore", file)
    assert refused.exit_code == 1
    assert "is not empty" in refused.stderr
    assert home.files() == before

    for cut in (100, file.stat().st_size // 2, file.stat().st_size - 1_000):
        shorter = tmp_path / f"cut-{cut}"
        shorter.write_bytes(file.read_bytes()[:cut])
        refused = moved.run("restore", shorter)
        assert refused.exit_code == 1
        assert "is cut off" in refused.stderr
        assert not moved.folder.exists()
        assert list(moved.folder.parent.iterdir()) == [], "nothing is left beside it"

    plain = bytearray(gzip.decompress(file.read_bytes()))
    at = plain.index(b'"keys"')
    plain[at + 1 : at + 5] = b"KEYS"
    damaged = tmp_path / "damaged"
    damaged.write_bytes(gzip.compress(bytes(plain), 1))
    refused = moved.run("restore", damaged)
    assert refused.exit_code == 1
    assert "is damaged: " in refused.stderr
    assert not moved.folder.exists()

    newer = gzip.decompress(file.read_bytes()).replace(b'{"format": 1,', b'{"format": 9,')
    (tmp_path / "newer").write_bytes(gzip.compress(newer, 1))
    assert "restore it with that one" in moved.run("restore", tmp_path / "newer").stderr

    moved.done("restore", file)
    assert json.loads((moved.folder / "secrets.json").read_text())
    assert MANIFEST not in moved.files()


def test_a_backup_of_no_stack_or_of_foreign_servers_says_what_to_do(
    home: Home, tmp_path: Path
) -> None:
    failed = home.run("backup", tmp_path / "none")
    assert failed.exit_code == 1
    assert "holds no stack" in failed.stderr
    assert not (tmp_path / "none").exists()
