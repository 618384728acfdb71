"""Archives, lists of URLs and tables that an import must not fall for."""

from __future__ import annotations

import gzip
import io
import json
import stat
import tarfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence

from tests.system.hostile.attack import Attack
from tests.system.hostile.files import png_that_promises, whole

HOLES = b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n"


def attacks(dataset: str) -> Iterator[Attack]:
    """Every bad archive, list and table, as an import that comes with the request."""
    for kind, bad in (("archive", _archives()), ("urls", _lists()), ("metadata", _tables())):
        for name, data in bad.items():
            yield Attack(
                "imports",
                f"{kind}: {name}",
                "ingest",
                "POST",
                f"/v1/datasets/{dataset}/imports",
                expected="import refused",
                request={"data": {"kind": kind}, "files": {"file": ("file", data)}},
            )


def _archives() -> dict[str, bytes]:
    good = whole("PNG", seed=400)
    symlink = zipfile.ZipInfo("link.png")
    symlink.external_attr = (stat.S_IFLNK | 0o777) << 16
    packed = _zip({"a.png": good})
    return {
        "an entry above the folder": _zip({"../../evil.png": good}),
        "an entry of the root": _zip({"/etc/cron.d/evil.png": good}),
        "an entry of another drive": _zip({"C:\\evil.png": good}),
        "an entry with a NUL": packed.replace(b"a.png", b"a\0png"),
        "an entry that is a link": _zip({}, [(symlink, b"/etc/passwd")]),
        "a bomb": _zip({"a.png": bytes(300_000_000)}),
        "a bomb in an image": _zip({"a.png": png_that_promises(60_000, 60_000)}),
        "an archive in an archive": _zip({"a.zip": packed}),
        "an entry that is damaged": packed.replace(good[60:80], bytes(20)),
        "half of one": packed[: len(packed) // 2],
        "an encrypted entry": _with_flag(packed, 1),
        "no archive": good,
        "a tar with devices": _tar(tarfile.CHRTYPE),
        "a tar with a hard link": _tar(tarfile.LNKTYPE),
        "a tar with a link": _tar(tarfile.SYMTYPE),
        "a tar.gz of nothing but zeros": gzip.compress(bytes(300_000_000)),
        "a tar with a broken header": _entry("evil.txt", b"") + bytes([1]) * 512,
        "a tar that ends without a word": _entry("evil.txt", b""),
        "a tar with 600 names for an entry": _entry("l", b"evil.png", tarfile.GNUTYPE_LONGNAME)
        * 600,
        "a tar with names of records that have no end": _entry("p", b"2 " * 20_000 + b"=", b"x"),
        "a tar with a million holes": _entry("p", HOLES, b"x")
        + _entry("evil.png", b"1000000\n" + b"0\n" * 2_000_000)
        + bytes(1_024),
        "an entry packed without a bound": _zip(
            {"a.png": bytes(90_000_000)}, how=zipfile.ZIP_BZIP2
        ),
        "an entry of a version to come": _with_byte(packed, 6, 90),
        "an entry whose name is no UTF-8": _with_byte(packed, 9, 8).replace(b"a.png", b"\xff.png"),
        "half a tar.gz": gzip.compress(_tar(tarfile.SYMTYPE))[:60],
    }


def _lists() -> dict[str, bytes]:
    urls = (
        "http://127.0.0.1/a.png",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1]:8000/a.png",
        "http://0x7f000001/a.png",
        "http://2130706433/a.png",
        "https://localhost/a.png",
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_FLUSHALL",
        "http://user:word@internal/a.png",
        "http://a.example@127.0.0.1/a.png",
        "http://" + "a" * 50_000,
        "javascript:alert(1)",
        "\u202emoc.elpmaxe//:ptth",
        "https://a..example.org/a.png",
        "https://[/a.png",
    )
    more = {
        "no text": b"\xff\xfe\x00\x01",
        "a long line behind others": b"http://127.0.0.1/a.png\n" * 29 + b"a" * 50_000,
    }
    return {url[:40]: url.encode() + b"\n" for url in urls} | more


def _tables() -> dict[str, bytes]:
    return {
        "deep JSON": b"[" * 100_000,
        "JSON of NaN": b'[{"file": "a.png", "x": NaN}]',
        "JSON of a scalar": b"7",
        "JSON with operators": json.dumps([{"file": {"$ne": ""}, "$where": "1"}]).encode(),
        "no UTF-8": b"file,x\n\xff\xfe,1\n",
        "no header": b"\n\n\n",
        "NULs": b"file,x\na\0.png,1\n",
        "a field of 20 MB": b'file,x\n"' + b"a" * 20_000_000 + b'",1\n',
        "a record without an end": b'file_name,x\n"ab\n' + b'","ab\n' * 1_000_000,
        "an open quote": b'file,x\n"a.png,1\n',
        "100,000 columns": b",".join(b"c%d" % n for n in range(100_000)) + b"\n",
        "an unknown file": b"file,x\n../../../etc/passwd,1\n",
        "a formula": b'file,x\n=HYPERLINK("http://evil"),1\n',
    }


def _zip(
    entries: Mapping[str, bytes],
    more: Sequence[tuple[zipfile.ZipInfo, bytes]] = (),
    how: int = zipfile.ZIP_DEFLATED,
) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", how) as file:
        for name, data in entries.items():
            file.writestr(name, data)
        for info, data in more:
            file.writestr(info, data)
    return stream.getvalue()


def _with_flag(packed: bytes, flag: int) -> bytes:
    data = bytearray(packed)
    data[6] |= flag
    data[data.index(b"PK\1\2") + 8] |= flag
    return bytes(data)


def _with_byte(packed: bytes, at: int, byte: int) -> bytes:
    """Another byte in the first entry of the directory."""
    data = bytearray(packed)
    data[data.index(b"PK\1\2") + at] = byte
    return bytes(data)


def _entry(name: str, body: bytes, kind: bytes = tarfile.REGTYPE) -> bytes:
    """An entry of a tar file, without an end behind it."""
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(body)
    return info.tobuf() + body + bytes(-len(body) % 512)


def _tar(kind: bytes) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as file:
        info = tarfile.TarInfo("evil.png")
        info.type, info.linkname = kind, "/etc/passwd"
        file.addfile(info)
    return stream.getvalue()
