"""JSON files read as streams: one element of a long array at a time, never the whole file."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

CHUNK = 1 << 16
"""Characters that are read at once."""


def members(path: Path) -> Iterator[tuple[str, Any]]:
    """The members of a JSON file's object, arrays element by element, in the file's order.

    An array ``"images": [a, b]`` comes as ``("images", a)`` and ``("images", b)``; of a file that
    is an array, every element comes under the name "".

    Raises
    ------
    ValueError
        If the file is not JSON, or neither an object nor an array.
    """
    with path.open(encoding="utf-8-sig") as file:
        text = _Text(file)
        try:
            yield from _members(text)
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"{path} is not JSON: {error}") from error


def _members(text: "_Text") -> Iterator[tuple[str, Any]]:
    if text.takes("["):
        yield from (("", element) for element in _elements(text))
        return
    text.expect("{")
    if text.takes("}"):
        return
    while True:
        key = text.value()
        text.expect(":")
        if text.takes("["):
            yield from ((key, element) for element in _elements(text))
        else:
            yield key, text.value()
        if text.takes("}"):
            return
        text.expect(",")


def _elements(text: "_Text") -> Iterator[Any]:
    if text.takes("]"):
        return
    while True:
        yield text.value()
        if text.takes("]"):
            return
        text.expect(",")


class _Text:
    """The part of a file that is being looked at."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._buffer = ""
        self._at = 0
        self._ended = False
        self._decoder = json.JSONDecoder()

    def takes(self, character: str) -> bool:
        """Whether this character comes next; if so, it is taken."""
        while True:
            while self._at < len(self._buffer) and self._buffer[self._at].isspace():
                self._at += 1
            if self._at < len(self._buffer) or not self._more(CHUNK):
                break
        found = self._buffer.startswith(character, self._at)
        self._at += len(character) if found else 0
        return found

    def expect(self, character: str) -> None:
        """Take this character."""
        if not self.takes(character):
            raise json.JSONDecodeError(f"{character!r} is missing", self._buffer, self._at)

    def value(self) -> Any:
        """Take a whole value."""
        self.takes("")  # skips spaces
        wanted = CHUNK
        while True:
            try:
                value, end = self._decoder.raw_decode(self._buffer, self._at)
                # A number may go on behind what was read: 1 is the start of 1.5 and of 1e-7.
                if end + 2 < len(self._buffer) or self._ended:
                    self._at = end
                    return value
                self._more(wanted)
            except json.JSONDecodeError:
                if not self._more(wanted):
                    raise
            wanted *= 2  # so that a huge value is not looked at too often

    def _more(self, wanted: int) -> bool:
        if self._ended:
            return False
        read = self._file.read(wanted)
        self._ended = not read
        self._buffer = self._buffer[self._at :] + read
        self._at = 0
        return True
