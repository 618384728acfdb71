"""What was read before an error is not lost with it."""

from collections.abc import Iterator

import pytest

from wakeline_ingest.domain.errors import ArchiveError, TableError
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
