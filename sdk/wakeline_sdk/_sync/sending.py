"""Big files: in parts, straight to the object store, by URLs of minutes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wakeline_sdk._sync.pause import aside, pause
from wakeline_sdk._sync.transport import Transport
from wakeline_sdk.errors import InvalidRequestError, error_of
from wakeline_sdk.models import DeclaredUpload
from wakeline_sdk.paths import path
from wakeline_sdk.uploads import digest, size_of

BIG = 50_000_000
"""Bytes; above that a file goes to the object store by itself."""
ROUNDS = 5
PIECE = 1024 * 1024
LONGEST_PAUSE = 2.0


class Sending:
    """Sends big files; what a connection that broke has sent need not be sent again."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def send(self, dataset_id: str, file: Path, declared: dict[str, Any]) -> DeclaredUpload:
        """Declare a file, send its parts, and wait until it is checked.

        Raises
        ------
        InvalidRequestError
            If it is refused; the code and the message say why.
        ConflictError
            If the image is there already with another group or parent, or if the file is on its
            way already and was declared otherwise.
        UnreachableError
            If the object store does not answer this machine.
        """
        body = {"bytes": size_of(file), "digest": aside(digest, file), **declared}
        uploads = path("/v1/datasets/{}/uploads", dataset_id)
        answer = self._transport.json("ingest", "POST", uploads, json=body)
        upload = DeclaredUpload.model_validate(answer)
        where = path("/v1/datasets/{}/uploads/{}", dataset_id, upload.upload_id)
        for attempt in range(1, ROUNDS + 1):
            if upload.state != "open":
                break
            self._send_parts(where, file, upload.part_bytes)
            try:
                answer = self._transport.json("ingest", "POST", f"{where}/complete")
            except InvalidRequestError as error:
                if error.code != "upload-incomplete" or attempt == ROUNDS:
                    raise
                continue
            upload = DeclaredUpload.model_validate(answer)
        return self._ended(where, upload)

    def _send_parts(self, where: str, file: Path, part_bytes: int) -> None:
        # One URL at a time: it lives for minutes, and on a slow link a part takes as long.
        asked: dict[str, Any] = {"limit": 1}
        attempt = 1
        while True:
            page = self._transport.json("ingest", "GET", f"{where}/parts", params=asked)
            for part in page["items"]:
                offset, length = (part["number"] - 1) * part_bytes, part["bytes"]
                sent = part["stored"] or self._transport.put_aside(
                    part["url"], pieces(file, offset, length), length, attempt
                )
                attempt = 1 if sent else attempt + 1
            if attempt == 1:
                if page["next"] is None:
                    return
                asked["cursor"] = page["next"]

    def _ended(self, where: str, upload: DeclaredUpload) -> DeclaredUpload:
        seconds = 0.1
        while upload.state == "checking":
            pause(seconds)
            seconds = min(LONGEST_PAUSE, seconds * 1.5)
            upload = DeclaredUpload.model_validate(self._transport.json("ingest", "GET", where))
        if upload.state != "done":
            detail = upload.message or f"the upload is {upload.state}: send the file again"
            raise error_of(422, {"code": upload.code or "upload-ended", "detail": detail})
        return upload


def pieces(file: Path, offset: int, length: int) -> Iterator[bytes]:
    """The bytes of a part, a little at a time."""
    with file.open("rb") as opened:
        opened.seek(offset)
        left = length
        while left > 0 and (piece := opened.read(min(PIECE, left))):
            left -= len(piece)
            yield piece
