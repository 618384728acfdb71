"""Images from URLs: a server on loopback that tries to lead the platform astray."""

import asyncio
import errno
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest

from tests.integration.ingest.images import everything, picture
from wakeline_ingest.domain.addresses import UrlRules
from wakeline_ingest.domain.errors import FileRefusedError
from wakeline_ingest.importing import fetching
from wakeline_ingest.importing.fetching import Fetcher
from wakeline_ingest.settings import Settings, UrlSettings
from wakeline_ingest.wiring import service
from wakeline_testing import Scope
from wakeline_testing.running import running, settings_of

pytestmark = [pytest.mark.kafka, pytest.mark.mongo, pytest.mark.s3]

LIMIT = 50_000
IMAGE = picture(1)
Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


def head(status: str = "200 OK", **headers: object) -> bytes:
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode()


def whole(data: bytes) -> Answer:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(head(Content_Length=len(data)) + data)

    return answer


def raw(data: bytes) -> Answer:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(data)

    return answer


def to(location: str) -> Answer:
    return raw(head("302 Found", Location=location, Content_Length=0))


async def endless(writer: asyncio.StreamWriter) -> None:
    writer.write(head(Connection="close"))
    while not writer.is_closing():
        writer.write(bytes(16_384))
        await writer.drain()


async def slow(writer: asyncio.StreamWriter) -> None:
    writer.write(head(Content_Length=LIMIT))
    while not writer.is_closing():
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.05)


class Host:
    """A host on loopback, and which of its pages were asked for."""

    def __init__(self) -> None:
        self.pages: dict[str, Answer] = {}
        self.asked: list[str] = []
        self.port = 0

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await reader.readuntil(b"\r\n\r\n")
            path = request.split()[1].decode()
            self.asked.append(path)
            await self.pages.get(path, raw(head("404 Not Found", Content_Length=0)))(writer)
            await writer.drain()
        except OSError:
            pass  # the other side has had enough
        finally:
            writer.close()


@asynccontextmanager
async def serving() -> AsyncIterator[Host]:
    host = Host()
    server = await asyncio.start_server(host.serve, "127.0.0.1", 0)
    host.port = server.sockets[0].getsockname()[1]
    try:
        yield host
    finally:
        server.close()


@pytest.fixture
async def host() -> AsyncIterator[Host]:
    async with serving() as opened:
        yield opened


def fetcher(host: Host, *more: str, seconds: float = 20) -> Fetcher:
    rules = UrlRules(
        hosts=(f"127.0.0.1:{host.port}", *more),
        schemes=("http",),
        networks=(ip_network("127.0.0.1/32"),),
    )
    return Fetcher(rules, LIMIT, timedelta(seconds=seconds))


async def refusal(fetching: Fetcher, url: str, tmp_path: Path) -> str:
    with pytest.raises(FileRefusedError) as caught:
        await fetching.fetch(url, tmp_path / "file")
    return caught.value.code


async def test_an_allowed_host_is_read_through_allowed_redirects(
    host: Host, tmp_path: Path
) -> None:
    host.pages = {"/a": to("/b"), "/b": to(host.url("/c")), "/c": whole(IMAGE)}
    await fetcher(host).fetch(host.url("/a"), tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == IMAGE


@pytest.mark.parametrize(
    ("location", "code"),
    [
        ("http://127.0.0.2/x", "host-not-allowed"),
        ("http://169.254.169.254/latest/meta-data", "host-not-allowed"),
        ("http://127.0.0.1:1/x", "host-not-allowed"),
        ("//evil.example/x", "host-not-allowed"),
        ("file:///etc/passwd", "scheme-not-allowed"),
        ("http://u:p@127.0.0.1/x", "credentials-in-url"),
        ("http://[", "invalid-url"),
        ("http://127.0.0.1:99999999/x", "invalid-url"),
    ],
)
async def test_a_redirect_to_elsewhere_is_not_followed(
    host: Host, tmp_path: Path, location: str, code: str
) -> None:
    host.pages = {"/a": to(location)}
    assert await refusal(fetcher(host), host.url("/a"), tmp_path) == code
    assert host.asked == ["/a"]


async def test_redirects_in_a_circle_end(host: Host, tmp_path: Path) -> None:
    host.pages = {"/a": to("/a")}
    assert await refusal(fetcher(host), host.url("/a"), tmp_path) == "too-many-redirects"
    assert len(host.asked) == 4


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (endless, "file-too-large"),
        (raw(head(Content_Length=LIMIT + 1)), "file-too-large"),
        (raw(head(Content_Length=1_000) + b"short"), "url-unreachable"),
        (raw(head(Content_Length=3, Content_Encoding="gzip") + b"abc"), "packed-answer"),
        (raw(head("500 Oh", Content_Length=0)), "http-status"),
        (raw(b"SSH-2.0-nothing\r\n\r\n"), "url-unreachable"),
        (raw(b""), "url-unreachable"),
        (raw(head(Content_Length="9" * 5_000)), "url-unreachable"),
    ],
)
async def test_answers_that_lie_or_never_end_are_refused(
    host: Host, tmp_path: Path, answer: Answer, code: str
) -> None:
    host.pages = {"/a": answer}
    assert await refusal(fetcher(host), host.url("/a"), tmp_path) == code


async def test_more_bytes_than_were_said_are_not_read(host: Host, tmp_path: Path) -> None:
    host.pages = {"/a": raw(head(Content_Length=3) + b"abcdef")}
    await fetcher(host).fetch(host.url("/a"), tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"abc"


async def test_a_body_that_trickles_ends_with_its_time(host: Host, tmp_path: Path) -> None:
    host.pages = {"/a": slow}
    assert await refusal(fetcher(host, seconds=0.5), host.url("/a"), tmp_path) == "url-too-slow"


async def test_a_name_that_stands_for_an_inner_address_is_not_connected_to(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def inner(_: str, __: int) -> list[str]:
        return ["127.0.0.1", "10.0.0.1"]

    monkeypatch.setattr(fetching, "resolve", inner)
    host.pages = {"/a": whole(IMAGE)}
    named = f"images.example:{host.port}"
    code = await refusal(fetcher(host, named), f"http://{named}/a", tmp_path)
    assert code == "address-not-allowed"
    assert host.asked == []


async def test_a_name_that_changes_its_address_gets_the_one_that_was_checked(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [["127.0.0.1"], ["169.254.169.254"]]

    async def rebinding(_: str, __: int) -> list[str]:
        return answers.pop(0)

    monkeypatch.setattr(fetching, "resolve", rebinding)
    host.pages = {"/a": whole(IMAGE), "/b": to("/a")}
    named = f"images.example:{host.port}"
    await fetcher(host, named).fetch(f"http://{named}/a", tmp_path / "file")
    assert len(answers) == 1, "asked once, and connected to that answer"
    code = await refusal(fetcher(host, named), f"http://{named}/b", tmp_path)
    assert code == "address-not-allowed"


@pytest.mark.parametrize("name", ["a..example.org", ".example.org", f"{'a' * 64}.example.org"])
async def test_a_name_that_is_none_has_no_address(host: Host, tmp_path: Path, name: str) -> None:
    code = await refusal(fetcher(host, "*.example.org"), f"http://{name}/a", tmp_path)
    assert code == "url-unreachable"


async def test_a_full_disk_is_no_fault_of_the_host(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    host.pages = {"/a": whole(IMAGE)}
    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(OSError, match="No space"):
        await fetcher(host).fetch(host.url("/a"), tmp_path / "file")


async def test_a_list_of_urls_becomes_assets_with_a_report(scope: Scope, host: Host) -> None:
    host.pages = {
        "/1.png?sig=secret": whole(IMAGE),
        "/2.png": whole(picture(2)),
        "/page": whole(b"<html>no image</html>"),
    }
    urls = UrlSettings(
        hosts=(f"127.0.0.1:{host.port}",), schemes=("http",), networks=("127.0.0.1/32",)
    )
    chosen = settings_of(scope, "ingest", Settings, urls=urls)
    listed = "\n".join(
        [
            "# ours",
            host.url("/1.png?sig=secret"),
            f'{{"url": "{host.url("/2.png")}", "file_name": "two.png", "group": "g"}}',
            "",
            host.url("/page"),
            "http://169.254.169.254/latest/meta-data",
            '{"url": 5}',
        ]
    )
    async with running(service(chosen), scope) as process, process.client("engineer") as client:
        await client.put("/v1/datasets/fields", json={})
        begun = await client.post(
            "/v1/datasets/fields/imports",
            data={"kind": "urls"},
            files={"file": ("urls.txt", listed.encode())},
        )
        where = f"/v1/datasets/fields/imports/{begun.json()['import_id']}"
        await process.settled()
        shown = (await client.get(where)).json()
        assert (shown["state"], shown["counts"]) == ("done", {"new": 2, "refused": 3}), shown
        lines = await everything(client, f"{where}/lines")
        assert {str(line["name"]).split(":")[0]: line["code"] for line in lines} == {
            "1": None,
            "2": None,
            "3": "not-an-image",
            "4": "host-not-allowed",
            "5": "invalid-line",
        }
        assert not any("secret" in str(line) for line in lines)
        items = (await client.get("/v1/datasets/fields/assets")).json()["items"]
        assert {i["file_name"]: i["declared_group"] for i in items} == {
            "1.png": None,
            "two.png": "g",
        }


async def test_what_comes_before_a_line_that_is_too_long_is_taken_in(scope: Scope) -> None:
    chosen = settings_of(scope, "ingest", Settings)  # no host is allowed: each line is refused
    listed = "https://a.example/1.png\n" * 29 + "x" * 9_000 + "\n"
    async with running(service(chosen), scope) as process, process.client("engineer") as client:
        await client.put("/v1/datasets/fields", json={})
        begun = await client.post(
            "/v1/datasets/fields/imports",
            data={"kind": "urls"},
            files={"file": ("urls.txt", listed.encode())},
        )
        await process.settled()
        where = f"/v1/datasets/fields/imports/{begun.json()['import_id']}"
        shown = (await client.get(where)).json()
        assert (shown["state"], shown["code"]) == ("failed", "line-too-long")
        assert shown["counts"] == {"refused": 29}
