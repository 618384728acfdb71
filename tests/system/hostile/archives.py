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
    )
    return {url[:40]: url.encode() + b"\n" for url in urls} | {"no text": b"\xff\xfe\x00\x01"}


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
        "an open quote": b'file,x\n"a.png,1\n',
        "100,000 columns": b",".join(b"c%d" % n for n in range(100_000)) + b"\n",
        "an unknown file": b"file,x\n../../../etc/passwd,1\n",
        "a formula": b'file,x\n=HYPERLINK("http://evil"),1\n',
    }


def _zip(entries: Mapping[str, bytes], more: Sequence[tuple[zipfile.ZipInfo, bytes]] = ()) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file:
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


def _tar(kind: bytes) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as file:
        info = tarfile.TarInfo("evil.png")
        info.type, info.linkname = kind, "/etc/passwd"
        file.addfile(info)
    return stream.getvalue()
