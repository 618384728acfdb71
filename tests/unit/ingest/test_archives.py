"""Archives: what is unpacked, what is refused by name, and bombs that do not go off."""

import errno
import gzip
import io
import struct
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

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


def tar_entry(name: str, data: bytes, kind: bytes = tarfile.REGTYPE) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(data)
    return info.tobuf() + data + bytes(-len(data) % tarfile.BLOCKSIZE)


def pax(records: bytes, kind: bytes = tarfile.XHDTYPE) -> bytes:
    return tar_entry("pax", records, kind)


def record(name: bytes, value: bytes) -> bytes:
    length = len(name) + len(value) + 3
    length += len(str(length + len(str(length))))
    return b"%d %s=%s\n" % (length, name, value)


END = bytes(2 * tarfile.BLOCKSIZE)
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
    whole = 3 * (tarfile.BLOCKSIZE + len(IMAGE)) if kind == "tar" else len(data)
    for length in range(4, len(data) - 1, max(1, len(data) // 40)):
        allowed = ("", "damaged-archive") if length > whole else ("damaged-archive", "no-archive")
        assert ended_by(tmp_path, data[:length]) in allowed


def test_a_tar_with_a_broken_header_does_not_pass_for_one_that_ends_there(tmp_path: Path) -> None:
    data = bytearray(tarred({f"{n}.png": IMAGE for n in range(3)}))
    data[2 * (tarfile.BLOCKSIZE + len(IMAGE))] ^= 0xFF
    assert ended_by(tmp_path, bytes(data)) == "damaged-archive"


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


def peak_of(tmp_path: Path, data: bytes, limits: ArchiveLimits = LIMITS) -> tuple[int, str]:
    """Bytes that unpacking an archive needs at most, and the code it ends with."""
    (tmp_path / "archive").write_bytes(data)
    (tmp_path / "out").mkdir(exist_ok=True)
    del data
    code = ""
    tracemalloc.start()
    try:
        for _ in unpack(tmp_path / "archive", tmp_path / "out", limits, 0):
            pass
    except ArchiveError as error:
        code = error.code
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return peak, code


SPARSE = {
    b"1.0": record(b"GNU.sparse.major", b"1") + record(b"GNU.sparse.minor", b"0"),
    b"0.1": record(b"GNU.sparse.map", b"0,1," * 100_000 + b"0"),
    b"0.0": record(b"GNU.sparse.size", b"5")
    + (record(b"GNU.sparse.offset", b"0") + record(b"GNU.sparse.numbytes", b"1")) * 10_000,
}


@pytest.mark.parametrize("version", SPARSE)
def test_where_the_holes_of_a_sparse_file_are_is_not_read(tmp_path: Path, version: bytes) -> None:
    holes = b"400000\n" + b"0\n1\n" * 400_000
    data = pax(SPARSE[version]) + tar_entry("holes.png", holes) + tar_entry("a.png", IMAGE) + END
    assert refusals(tmp_path, data) == {"holes.png": "no-plain-file"}
    assert peak_of(tmp_path, data)[0] < 4_000_000


def test_nor_those_of_an_old_one(tmp_path: Path) -> None:
    info = tarfile.TarInfo("holes.png")
    info.type, info.size = tarfile.GNUTYPE_SPARSE, len(IMAGE)
    head = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    head[482] = 1
    head[148:156] = b"%06o\0 " % tarfile.calc_chksums(head)[0]  # type: ignore[attr-defined]
    more = (b"%011o\0" % 1) * 42 + b"\1" + bytes(7)
    last = more[:504] + bytes(8)
    data = bytes(head) + more * 4_000 + last + IMAGE + tar_entry("a.png", IMAGE) + END
    assert refusals(tmp_path, data) == {"holes.png": "no-plain-file"}
    assert peak_of(tmp_path, data)[0] < 1_000_000


@pytest.mark.parametrize(
    "headers",
    [
        tar_entry("long", b"a.png\0", tarfile.GNUTYPE_LONGNAME) * 600,
        tar_entry("long", bytes(900_000), tarfile.GNUTYPE_LONGNAME) * 8,
        pax(b"2 " * 20_000 + b"="),
        pax(record(b"comment", b"x")[:-3]),
        b"".join(
            pax(record(b"%d" % n, bytes(30_000)), tarfile.XGLTYPE) + tar_entry("a.png", b"")
            for n in range(40)
        ),
    ],
    ids=["too many", "too long", "records without an end", "half a record", "too many for all"],
)
def test_headers_of_a_tar_that_would_fill_the_memory_end_it(tmp_path: Path, headers: bytes) -> None:
    peak, code = peak_of(tmp_path, headers + tar_entry("a.png", IMAGE) + END)
    assert (peak < 4_000_000, code) == (True, "damaged-archive")


def test_headers_of_many_digits_take_no_time(tmp_path: Path) -> None:
    digits = pax(record(b"comment", b"1" * 900_000))
    assert unpacked(tmp_path, digits + tar_entry("a.png", IMAGE) + END)[0].path is not None


def test_names_and_sizes_of_headers_count(tmp_path: Path) -> None:
    named = pax(record(b"path", "b/\u00e9.png".encode()) + record(b"size", b"%d" % len(IMAGE)))
    for_all = pax(record(b"comment", b"of git"), tarfile.XGLTYPE)
    found = unpacked(
        tmp_path, for_all + named + tar_entry("cut", IMAGE) + tar_entry("c.png", IMAGE) + END
    )
    assert [one.name for one in found] == ["b/\u00e9.png", "c.png"]


@pytest.mark.parametrize("size", [-1, -5_000])
def test_entries_of_less_than_no_bytes_end_a_tar(tmp_path: Path, size: int) -> None:
    data = pax(record(b"size", b"%d" % size)) + tar_entry("a.png", IMAGE) + END
    assert ended_by(tmp_path, data) == "damaged-archive"


@pytest.mark.parametrize("how", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_what_unpacks_without_a_bound_is_not_unpacked(tmp_path: Path, how: int) -> None:
    data = zipped({"a.bmp": bytes(8 << 20)}, how)
    said = bytearray(data)
    at = said.rindex(b"PK\1\2")
    said[at + 24 : at + 28] = struct.pack("<L", 1_000)  # less than its packing would be a bomb of
    (only,) = unpacked(tmp_path, bytes(said))
    assert only.code == "unsupported-packing"
    assert peak_of(tmp_path, bytes(said))[0] < 1_000_000


def directory_of(count: int) -> bytes:
    """A zip file of many empty entries, without the records at its end."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for n in range(count):
            archive.writestr(f"{n}.png", b"")
    data = stream.getvalue()
    return data[: data.rindex(b"PK\5\6")]


def records_of(entries: int, size: int, start: int, led_to: int) -> bytes:
    """The zip64 record of a directory, the record that says where it is, and the old record."""
    here = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, entries, entries, size, start)
    where = struct.pack("<4sLQL", b"PK\6\7", 0, led_to, 1)
    old = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, 60, 0, 0)
    return here + where + old


def test_entries_of_a_zip_are_counted_whatever_its_records_say(tmp_path: Path) -> None:
    data = directory_of(3_000)
    start = data.index(b"PK\1\2")
    size = len(data) - start
    limits = ArchiveLimits(entries=500, bytes=1 << 30, entry_bytes=1 << 20, ratio=200)
    lie = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, 60, 0)
    for archive in (
        data + records_of(1, size, start, led_to=len(data)),
        data[:start] + lie + data[start:] + records_of(1, size, start, led_to=start),
        data + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, size, start, 0),
    ):
        peak, code = peak_of(tmp_path, archive, limits)
        assert (peak < 1_500_000, code) == (True, "archive-too-long")


def test_a_directory_that_is_longer_than_any_may_be_is_not_read(tmp_path: Path) -> None:
    data = directory_of(1) + bytes(30_000_000)
    start = data.index(b"PK\1\2")
    old = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(data) - start, start, 0)
    peak, code = peak_of(tmp_path, data + old)
    assert (peak < 1_000_000, code) == (True, "archive-too-long")


def with_bytes(data: bytes, where: bytes, at: int, new: bytes) -> bytes:
    found = bytearray(data)
    place = data.rindex(where) + at
    found[place : place + len(new)] = new
    return bytes(found)


GOOD = zipped({"a.png": IMAGE, "b.png": IMAGE[::-1]})


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (
            with_bytes(with_bytes(GOOD, b"PK\1\2", 9, b"\x08"), b"b.png", 0, b"\xff"),
            "damaged-archive",
        ),
        (with_bytes(GOOD, b"PK\1\2", 6, b"\x5a"), "unsupported-packing"),
        (tar_entry("a.png", IMAGE)[:-600], "damaged-archive"),
        (gzip.compress(tarred({"a.png": IMAGE}))[:-100], "damaged-archive"),
        (pax(record(b"GNU.sparse.size", b"x")) + tar_entry("a.png", IMAGE), "damaged-archive"),
    ],
    ids=["a name that is no UTF-8", "version 9", "cut", "cut gz", "no number"],
)
def test_whatever_a_parser_says_of_bad_bytes_is_a_reason(
    tmp_path: Path, data: bytes, code: str
) -> None:
    assert ended_by(tmp_path, data) == code


@pytest.mark.parametrize(
    ("where", "at", "new"),
    [
        (b"PK\1\2", 42, b"\xff\xff\xff\x7f"),  # it begins behind the end
        (b"PK\1\2", 20, b"\x09\0\0\0"),  # it is packed to less than it needs
        (b"PK\3\4", 26, b"\xff\xff"),  # its second header is of another length
        (b"PK\3\4", 6, b"\0\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xff"),
    ],
)
def test_an_entry_of_a_zip_that_lies_costs_only_itself(
    tmp_path: Path, where: bytes, at: int, new: bytes
) -> None:
    data = zipped({"b.png": IMAGE, "a.png": IMAGE[::-1]})
    found = unpacked(tmp_path, with_bytes(data, where, at, new))
    assert [(one.name, one.code) for one in found] == [("b.png", ""), ("a.png", "damaged-entry")]


@pytest.mark.parametrize("kind", PACKERS)
def test_a_full_disk_is_no_fault_of_the_archive(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.open

    def full(path: Path, mode: str = "r", *more: Any, **options: Any) -> Any:
        if mode == "wb" and path.parent.name == "out":
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(path, mode, *more, **options)

    (tmp_path / "archive").write_bytes(PACKERS[kind]({"a.png": IMAGE}))
    (tmp_path / "out").mkdir()
    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(OSError, match="No space"):
        list(unpack(tmp_path / "archive", tmp_path / "out", LIMITS, 0))


def test_a_disk_that_cannot_be_read_is_no_fault_of_the_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    (tmp_path / "archive").write_bytes(gzip.compress(tarred({"a.png": IMAGE})))
    monkeypatch.setattr(gzip.GzipFile, "read", broken)
    with pytest.raises(OSError, match="Input/output"):
        list(unpack(tmp_path / "archive", tmp_path / "out", LIMITS, 0))
