"""What clients and commands do about gateways, restarts and people who do not wait."""

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tests.unit.sdk.server import Answer, serving
from typer.testing import CliRunner

from wakeline_sdk import (
    Client,
    UnavailableError,
    UnreachableError,
)
from wakeline_sdk._sync import transport
from wakeline_sdk.cli import app as command_line
from wakeline_sdk.concurrency import in_threads

DATASET = {
    "dataset_id": "d",
    "name": "d",
    "created_at": "2026-01-01T00:00:00Z",
    "received": 0,
    "ingested": 0,
    "refused": 0,
    "bytes": 0,
}
HTML = {"Content-Type": "text/html"}
FOREIGN: list[Answer] = [
    (404, b"default backend - 404", {}),
    (403, b"<html>who are you?", HTML),
    (500, b"<html>oops", HTML),
    (302, b"", {"Location": "https://login.example"}),
    (200, b"<html>Welcome to our wireless network", HTML),
]
"""What gateways, proxies and networks answer in place of a platform that is out of reach."""


@pytest.mark.parametrize("foreign", FOREIGN, ids=["404", "403", "500", "302", "200"])
def test_what_a_gateway_answers_is_no_answer_of_the_platforms(foreign: Answer) -> None:
    seen = iter([foreign, foreign])
    with serving(lambda *_: next(seen, (200, DATASET, {}))) as server:
        with Client(server.url, "t") as client:
            assert client.datasets.get("d").name == "d"
        assert len(server.requests) == 3
    with (
        serving(lambda *_: foreign) as server,
        Client(server.url, "t", attempts=2) as client,
        pytest.raises(UnreachableError, match="is not Wakeline"),
    ):
        client.datasets.get("d")


def test_who_is_asked_to_come_back_much_later_is_told_so_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(transport, "pause", waited.append)
    problem = {"code": "too-hasty", "detail": "come back in an hour"}
    seen = iter([(429, problem, {"Retry-After": "3"}), (429, problem, {"Retry-After": "3600"})])
    with (
        serving(lambda *_: next(seen)) as server,
        Client(server.url, "t") as client,
        pytest.raises(UnavailableError, match="in an hour"),
    ):
        client.datasets.get("d")
    assert waited == [3]


def test_a_download_waits_for_a_platform_that_is_away_for_a_moment(tmp_path: Path) -> None:
    away: Answer = (503, {"code": "store-unavailable"}, {"Retry-After": "0"})
    seen = iter([away, FOREIGN[0]])
    with (
        serving(lambda *_: next(seen, (200, b"all of it", {}))) as server,
        Client(server.url, "t") as client,
    ):
        client.dataset_versions.export("v", tmp_path / "out.json")
    assert [path.name for path in tmp_path.iterdir()] == ["out.json"]
    assert (tmp_path / "out.json").read_bytes() == b"all of it"


def test_who_stops_an_upload_does_not_wait_for_what_is_on_its_way() -> None:
    stopped, ended = threading.Event(), list[bool]()

    def work(number: int) -> int:
        if number:
            ended.append(stopped.wait(5))
        return number

    results = in_threads(work, range(9), 3)
    assert next(results) == 0
    results.close()
    assert ended == []
    stopped.set()


def test_a_command_that_sends_much_outlives_a_restart(tmp_path: Path) -> None:
    stored = {"asset_id": "d:1", "digest": "1", "width": 1, "height": 1, "duplicate": False}
    (tmp_path / "a.png").write_bytes(b"pixels")
    down = iter([None] * 12)

    def answer(method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        if path.endswith("/known"):
            return 200, {"known": []}, {}
        return (200, DATASET, {}) if method == "GET" else next(down, (201, stored, {}))

    with serving(answer) as server:
        words = ["upload", "d", str(tmp_path), "--url", server.url, "--token", "t"]
        said = CliRunner().invoke(command_line.build(), words)
    assert said.exit_code == 0, said.output
    assert "1 stored" in said.output


def test_ctrl_c_ends_an_upload_that_nobody_answers(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"pixels")
    asked, over, ended = threading.Event(), threading.Event(), list[bool]()

    def answer(method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        if path.endswith("/known"):
            return 200, {"known": []}, {}
        if method == "GET":
            return 200, DATASET, {}
        asked.set()
        ended.append(over.wait(20))
        return None

    with serving(answer) as server:
        words = ["upload", "d", str(tmp_path), "--url", server.url, "--token", "t"]
        upload = subprocess.Popen(
            [sys.executable, "-c", "from wakeline_sdk.cli import main; main()", *words],
            stderr=subprocess.PIPE,
            text=True,
        )
        assert asked.wait(60)
        upload.send_signal(signal.SIGINT)
        _, said = upload.communicate()
        assert ended == [], "it has waited for an answer"
        over.set()
    assert (upload.returncode, said.splitlines()[-1][:8]) == (130, "stopped:")
