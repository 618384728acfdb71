"""Which files are uploaded, under which names, and how several go at once."""

import asyncio
import threading
import time
from pathlib import Path

import pytest

from wakeline_sdk.concurrency import in_tasks, in_threads
from wakeline_sdk.uploads import images_at


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    names = (
        "site/a.jpg", "site/patient1/b.PNG", "site/patient1/notes.txt", "site/patient2/b.tif",
        "site/nir/patient1/b.tif", "site/nir/a.png", "single.jpg",
    )  # fmt: skip
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path


def test_images_in_a_folder_are_named_and_grouped_by_where_they_lie(folder: Path) -> None:
    site, nir = folder / "site", folder / "site/nir"
    found = list(images_at([site, folder / "single.jpg"], nir=nir, group_from_folder=True))
    assert [(one.file_name, one.group) for one in found] == [
        ("a.jpg", "site"),
        ("patient1/b.PNG", "site/patient1"),
        ("patient2/b.tif", "site/patient2"),
        ("single.jpg", folder.name),
    ]


def test_a_band_is_found_by_its_place_or_else_by_its_name(folder: Path) -> None:
    found = list(images_at([folder / "site"], nir=folder / "site/nir"))
    assert [one.bands.get("nir") for one in found] == [
        folder / "site/nir/a.png",
        folder / "site/nir/patient1/b.tif",
        None,
    ]
    assert all(one.group is None for one in found)


def test_a_file_that_is_named_is_taken_whatever_it_is(folder: Path) -> None:
    (found,) = images_at([folder / "site/patient1/notes.txt"])
    assert found.file_name == "notes.txt"


def test_threads_give_results_in_order_and_are_never_more_than_wanted() -> None:
    busy, most, lock = 0, 0, threading.Lock()

    def work(number: int) -> int:
        nonlocal busy, most
        with lock:
            busy += 1
            most = max(most, busy)
        time.sleep(0.002 * (number % 3))
        with lock:
            busy -= 1
        return number

    assert list(in_threads(work, range(40), 3)) == list(range(40))
    assert 1 < most <= 3


async def test_tasks_give_results_in_order_and_are_never_more_than_wanted() -> None:
    busy, most = 0, 0

    async def work(number: int) -> int:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        await asyncio.sleep(0.001 * (number % 3))
        busy -= 1
        return number

    assert [one async for one in in_tasks(work, range(40), 3)] == list(range(40))
    assert most == 3


def test_a_failure_ends_the_work_that_has_not_begun() -> None:
    begun: list[int] = []

    def work(number: int) -> int:
        begun.append(number)
        if number == 2:
            raise RuntimeError("no")
        return number

    with pytest.raises(RuntimeError):
        list(in_threads(work, range(1_000), 2))
    assert len(begun) < 10
