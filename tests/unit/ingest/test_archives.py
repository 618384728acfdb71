"""Archives: what is unpacked, what is refused by name, and bombs that do not go off."""

import gzip
import io
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from wakeline_ingest.domain.archives import ArchiveLimits, Entry, group_of, refusal_of
from wakeline_ingest.domain.errors import ArchiveError
from wakeline_ingest.importing.archives import Unpacked, unpack

LIMITS = ArchiveLimits(entries=50, bytes=200 << 20, entry_bytes=100 << 20, ratio=200)
IMAGE = bytes(range(256)) * 40


def zipped(files: dict[str, bytes], how: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", how) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return stream.getvalue()


def tarred(files: dict[str, bytes], packed: bool = False) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz" if packed else "w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()


PACKERS: dict[str, Callable[[dict[str, bytes]], bytes]] = {
    "zip": zipped,
    "tar": tarred,
    "tar.gz": lambda files: tarred(files, packed=True),
}


def unpacked(
    tmp_path: Path, data: bytes, limits: ArchiveLimits = LIMITS, behind: int = 0
) -> list[Unpacked]:
    (tmp_path / "archive").write_bytes(data)
    (tmp_path / "out").mkdir(exist_ok=True)
    return list(unpack(tmp_path / "archive", tmp_path / "out", limits, behind))


def refusals(tmp_path: Path, data: bytes) -> dict[str, str]:
    return {one.name: one.code for one in unpacked(tmp_path, data) if one.path is None}


def ended_by(tmp_path: Path, data: bytes) -> str:
    try:
        unpacked(tmp_path, data)
    except ArchiveError as error:
        return error.code
    return ""


@pytest.mark.parametrize("kind", PACKERS)
def test_images_are_unpacked_in_their_order(tmp_path: Path, kind: str) -> None:
    files = {"a.png": IMAGE, "b/c.jpg": IMAGE[::-1], "b/d.tif": b"x"}
    found = unpacked(tmp_path, PACKERS[kind](files))
    assert [one.name for one in found] == list(files)
    assert [one.path.read_bytes() for one in found if one.path] == list(files.values())


@pytest.mark.parametrize("kind", PACKERS)
def test_unpacking_goes_on_behind_an_entry(tmp_path: Path, kind: str) -> None:
    data = PACKERS[kind]({f"{n}.png": IMAGE for n in range(6)})
    third = unpacked(tmp_path, data)[2].number
    rest = unpacked(tmp_path, data, behind=third)
    assert [one.name for one in rest] == ["3.png", "4.png", "5.png"]


@pytest.mark.parametrize("kind", PACKERS)
@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("../up.png", "unsafe-name"),
        ("a/../../up.png", "unsafe-name"),
        ("/root.png", "unsafe-name"),
        ("C:\\x.png", "unsafe-name"),
        ("a\\b.png", "unsafe-name"),
        ("bell\x07.png", "unsafe-name"),
        ("long" * 101 + ".png", "unsafe-name"),
        ("inner.zip", "nested-archive"),
        ("inner.tar.gz", "nested-archive"),
        ("notes.txt", "no-image-name"),
        ("program.exe", "no-image-name"),
    ],
)
def test_entries_that_may_not_are_refused_by_name_and_the_rest_goes_on(
    tmp_path: Path, kind: str, name: str, code: str
) -> None:
    found = unpacked(tmp_path, PACKERS[kind]({name: IMAGE, "good.png": IMAGE}))
    assert [(one.code, one.path is not None) for one in found] == [(code, False), ("", True)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["archive", "out"]


def test_links_and_devices_are_refused(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
            info = tarfile.TarInfo(f"{kind.decode()}.png")
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    assert set(refusals(tmp_path, stream.getvalue()).values()) == {"no-plain-file"}
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as zipper:
        link = zipfile.ZipInfo("link.png")
        link.external_attr = 0o120777 << 16
        zipper.writestr(link, "/etc/passwd")
    assert refusals(tmp_path, stream.getvalue()) == {"link.png": "no-plain-file"}


def test_encrypted_entries_are_refused(tmp_path: Path) -> None:
    data = bytearray(zipped({"a.png": IMAGE}))
    data[6] |= 1
    data[data.rindex(b"PK\1\2") + 8] |= 1
    assert refusals(tmp_path, bytes(data)) == {"a.png": "encrypted-entry"}


def test_what_systems_leave_in_archives_is_left_out(tmp_path: Path) -> None:
    data = zipped({"__MACOSX/._a.png": b"x", "b/.DS_Store": b"x", "Thumbs.db": b"x"})
    assert unpacked(tmp_path, data) == []


def test_a_damaged_entry_of_a_zip_costs_only_itself(tmp_path: Path) -> None:
    data = bytearray(zipped({"a.png": IMAGE, "b.png": IMAGE[::-1]}, zipfile.ZIP_STORED))
    data[100] ^= 0xFF
    found = unpacked(tmp_path, bytes(data))
    assert [one.code for one in found] == ["damaged-entry", ""]


def test_a_bomb_of_one_entry_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    assert refusals(tmp_path, zipped({"zeros.bmp": bytes(64 << 20)})) == {
        "zeros.bmp": "archive-bomb"
    }


def test_a_zip_that_lies_about_a_size_gets_no_more_than_it_said(tmp_path: Path) -> None:
    data = bytearray(zipped({"a.bmp": bytes(8 << 20)}))
    at = data.rindex(b"PK\1\2")
    data[at + 24 : at + 28] = struct.pack("<L", 1000)
    assert refusals(tmp_path, bytes(data)) == {"a.bmp": "damaged-entry"}
    assert list((tmp_path / "out").iterdir()) == []


def test_a_tar_bomb_ends_while_it_is_unpacked(tmp_path: Path) -> None:
    data = tarred({"a.png": IMAGE, "zeros.bmp": bytes(64 << 20)}, packed=True)
    with pytest.raises(ArchiveError) as caught:
        unpacked(tmp_path, data)
    assert caught.value.code == "archive-bomb"


def test_a_tar_header_that_would_fill_the_memory_ends_the_archive(tmp_path: Path) -> None:
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, 4 << 30
    with pytest.raises(ArchiveError, match="header"):
        unpacked(tmp_path, info.tobuf() + bytes(10_240))


@pytest.mark.parametrize("kind", PACKERS)
def test_too_many_entries_and_too_many_bytes_end_it(tmp_path: Path, kind: str) -> None:
    data = PACKERS[kind]({f"{n}.png": IMAGE for n in range(9)})
    few = ArchiveLimits(entries=5, bytes=1 << 30, entry_bytes=1 << 30, ratio=200)
    small = ArchiveLimits(entries=50, bytes=5 * len(IMAGE), entry_bytes=1 << 30, ratio=200)
    for limits, code in ((few, "archive-too-long"), (small, "archive-too-large")):
        with pytest.raises(ArchiveError) as caught:
            unpacked(tmp_path, data, limits)
        assert caught.value.code == code


@pytest.mark.parametrize("kind", PACKERS)
def test_an_archive_cut_at_any_place_ends_with_a_reason(tmp_path: Path, kind: str) -> None:
    data = PACKERS[kind]({f"{n}.png": IMAGE for n in range(3)})
    for length in range(4, len(data) - 1, max(1, len(data) // 40)):
        assert ended_by(tmp_path, data[:length]) in ("", "damaged-archive", "no-archive")


def test_other_files_are_no_archives(tmp_path: Path) -> None:
    for data in (b"", b"x", b"<html>", IMAGE, gzip.compress(IMAGE)):
        with pytest.raises(ArchiveError):
            unpacked(tmp_path, data)


def test_folders_name_groups_only_if_wanted() -> None:
    assert group_of("p1/scan/a.png", group_from_folder=True) == "p1/scan"
    assert group_of("a.png", group_from_folder=True) is None
    assert group_of("p1/a.png", group_from_folder=False) is None


def test_a_large_entry_is_refused_by_what_the_archive_says_of_it() -> None:
    limits = ArchiveLimits(entries=1, bytes=10, entry_bytes=5, ratio=2)
    refused = refusal_of(Entry("a.png", 6, 6, is_file=True), limits)
    assert refused is not None
    assert refused[0] == "file-too-large"
