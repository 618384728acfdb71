"""Files that come from the platform: there, whole, or not at all."""

import hashlib
import os
from pathlib import Path
from types import TracebackType

from wakeline_sdk.models import ExportedFile


class Incoming:
    """A file on its way, beside the place where it will be; use it as a context."""

    def __init__(self, out: Path) -> None:
        self.bytes = 0
        """Written so far."""
        self._out = out
        self._part = out.with_name(f".{out.name}.{os.getpid()}.part")
        self._digest = hashlib.sha256()

    def __enter__(self) -> "Incoming":
        self._file = self._part.open("wb")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        self._part.unlink(missing_ok=True)

    def write(self, chunk: bytes) -> None:
        """Add bytes."""
        self._file.write(chunk)
        self._digest.update(chunk)
        self.bytes += len(chunk)

    def finish(self) -> ExportedFile:
        """Put the file in its place."""
        self._file.close()
        self._part.replace(self._out)
        return ExportedFile(path=self._out, bytes=self.bytes, digest=self._digest.hexdigest())
