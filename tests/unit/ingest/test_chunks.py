"""What was read before an error is not lost with it."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from wakeline_ingest.domain.errors import ArchiveError, TableError
from wakeline_ingest.importing import fetching
from wakeline_ingest.importing.chunks import chunks


def items(count: int, end: Exception | None = None) -> Iterator[int]:
    yield from range(count)
    if end is not None:
        raise end


async def read(these: Iterator[int]) -> tuple[list[list[int]], Exception | None]:
    found: list[list[int]] = []
    try:
        async for chunk in chunks(these, lambda chunk: len(chunk) >= 4):
            found.append(chunk)
    except Exception as error:
        return found, error
    return found, None


@pytest.mark.parametrize("count", [0, 3, 4, 9])
@pytest.mark.parametrize("end", [None, TableError("a", "b"), ArchiveError("a", "b")])
async def test_what_came_before_the_end_comes_in_chunks(count: int, end: Exception | None) -> None:
    found, error = await read(items(count, end))
    assert [one for chunk in found for one in chunk] == list(range(count))
    assert [len(chunk) for chunk in found[:-1]] == [4] * (len(found) - 1)
    assert all(found)
    assert error is end


async def test_what_is_no_fault_of_the_file_ends_it_at_once() -> None:
    found, error = await read(items(6, OSError(28, "No space left on device")))
    assert (found, type(error)) == ([[0, 1, 2, 3]], OSError)


async def test_when_one_url_ends_an_import_no_other_one_is_read_any_further(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = []

    async def taken(lease: Any, record: Any, fetcher: Any, busy: Any, number: int, _: Any) -> Any:
        try:
            if number == 2:
                raise OSError("no space left")
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append(number)

    monkeypatch.setattr(fetching, "_taken", taken)
    limits = SimpleNamespace(url_rules=None, max_file_bytes=1, url_timeout=timedelta(seconds=1))
    listed = tmp_path / "urls.txt"
    listed.write_text("http://a/1\nhttp://a/2\nhttp://a/3\n")
    lease: Any = SimpleNamespace(resources=limits)
    record: Any = SimpleNamespace(cursor={}, import_id="i")
    with pytest.raises(OSError, match="no space"):
        await fetching.import_urls(lease, record, listed)
    assert sorted(ended) == [1, 2, 3]
