"""Forms are read from the stream, wherever the network cuts it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request

from wakeline_ingest.api import forms
from wakeline_ingest.api.uploads import Form, received_form
from wakeline_ingest.domain.errors import (
    FileTooLargeError,
    InvalidUploadError,
    ScratchFullError,
)
from wakeline_ingest.importing.scratch import Scratch

IMAGE = bytes(range(256)) * 5 + b"\r\n--edge" + bytes(300)
BODY = (
    b'--edge\r\nContent-Disposition: form-data; name="group"\r\n\r\npatient 7\r\n'
    b'--edge\r\nContent-Disposition: form-data; name="image"; filename="../a \xc3\xa4.png"\r\n'
    b"Content-Type: image/png\r\n\r\n" + IMAGE.replace(b"\r\n--edge", b"\r\n--edgy") + b"\r\n"
    b'--edge\r\nContent-Disposition: form-data; name="band.nir"; filename="n"\r\n\r\nnir\r\n'
    b"--edge--\r\n"
)

FILES = len(IMAGE) + 3


def request_of(body: bytes, step: int, content_type: str) -> Request:
    chunks = [body[at : at + step] for at in range(0, len(body), step)]

    async def receive() -> dict[str, Any]:
        chunk = chunks.pop(0) if chunks else b""
        return {"type": "http.request", "body": chunk, "more_body": bool(chunks)}

    headers = [(b"content-type", content_type.encode())]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": headers}, receive)


async def read(body: bytes, folder: Path, step: int = 1000, limit: int = 10_000) -> Form:
    request = request_of(body, step, "multipart/form-data; boundary=edge")
    async with received_form(request, Scratch(folder), limit) as form:
        for sent in form.files.values():
            data = sent.path.read_bytes()
            assert sent.path.is_relative_to(folder)
            assert (hashlib.sha256(data).hexdigest(), len(data)) == (sent.digest, sent.bytes)
        return form


def assert_nothing_stays(folder: Path) -> None:
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("step", [1, 2, 7, 64, 1000, 10**6])
async def test_every_cut_of_the_stream_gives_the_same_form(step: int, tmp_path: Path) -> None:
    form = await read(BODY, tmp_path, step)
    expected = IMAGE.replace(b"\r\n--edge", b"\r\n--edgy")
    assert form.fields == {"group": "patient 7"}
    assert form.files["image"].digest == hashlib.sha256(expected).hexdigest()
    assert form.files["image"].name == "../a ä.png"
    assert list(forms.parts_of(form)) == ["band.nir"]
    assert forms.declared_of(form).group == "patient 7"
    assert_nothing_stays(tmp_path)


@pytest.mark.parametrize("length", range(5, len(BODY) - 8, 101))
async def test_a_form_that_ends_too_early_is_refused(length: int, tmp_path: Path) -> None:
    with pytest.raises(InvalidUploadError):
        await read(BODY[:length], tmp_path)
    assert_nothing_stays(tmp_path)


async def test_a_file_above_the_limit_is_refused_while_it_comes_in(tmp_path: Path) -> None:
    with pytest.raises(FileTooLargeError, match="image has more than 500 bytes: cut it into tiles"):
        await read(BODY, tmp_path, limit=500)
    assert_nothing_stays(tmp_path)


async def test_a_form_takes_none_of_the_room_that_others_have(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path, 3_000)

    async def form() -> None:
        request = request_of(BODY, 1000, "multipart/form-data; boundary=edge")
        async with received_form(request, scratch, 2_000) as read:
            assert sum(sent.bytes for sent in read.files.values()) == FILES

    with scratch.claim(3_001 - FILES), pytest.raises(ScratchFullError):
        await form()
    with scratch.claim(3_000 - FILES):
        await form()
    scratch.bytes = FILES - 1
    with pytest.raises(FileTooLargeError, match="sent together"):
        await form()
    with scratch.claim(FILES - 1):
        assert_nothing_stays(tmp_path)


async def test_a_part_may_come_only_once(tmp_path: Path) -> None:
    part = b'--edge\r\nContent-Disposition: form-data; name="group"\r\n\r\na\r\n'
    with pytest.raises(InvalidUploadError, match="a name of its own"):
        await read(part + part + b"--edge--\r\n", tmp_path)


async def test_another_kind_of_body_is_refused(tmp_path: Path) -> None:
    request = request_of(b"{}", 10, "application/json")
    with pytest.raises(InvalidUploadError, match="multipart/form-data"):
        async with received_form(request, Scratch(tmp_path), 10):
            pytest.fail("there is no form")
