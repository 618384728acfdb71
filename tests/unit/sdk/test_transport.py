"""What the client does about answers that are lost, late or refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.unit.sdk.server import Answer, serving

from wakeline_sdk import (
    AsyncClient,
    Client,
    ConflictError,
    InvalidRequestError,
    Predicted,
    UnavailableError,
    UnreachableError,
    Upload,
)
from wakeline_sdk._sync.sending import Sending
from wakeline_sdk.shapes import Box


class Ledger:
    """Adds people in effect once for a key, and loses its first answers."""

    def __init__(self, lost: int) -> None:
        self.added: dict[str, dict[str, Any]] = {}
        self._lost = lost

    def __call__(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        key = headers["idempotency-key"]
        number = len(self.added)
        person = {**json.loads(body), "person_id": f"p{number}", "email": None}
        answer = self.added.setdefault(key, person)
        self._lost -= 1
        return None if self._lost >= 0 else (201, answer, {})


def test_an_answer_that_is_lost_after_the_commit_has_its_effect_once() -> None:
    ledger = Ledger(lost=2)
    with serving(ledger) as server, Client(server.url, "t") as client:
        first = client.people.create("Ann", team_id="a", roles=["labeler"])
        second = client.people.create("Bob", team_id="a", roles=["labeler"])
    assert (first.person_id, second.person_id) == ("p0", "p1")
    assert len(ledger.added) == 2
    assert len(server.requests) == 4
    assert len(set(server.keys[:3])) == 1
    assert server.keys[3] not in server.keys[:3], "another request needs another key"


async def test_the_asynchronous_client_repeats_with_the_same_key_too() -> None:
    ledger = Ledger(lost=1)
    with serving(ledger) as server:
        async with AsyncClient(server.url, "t") as client:
            await client.people.create("Ann", team_id="a", roles=["labeler"])
    assert len(ledger.added) == 1
    assert len(server.requests) == 2


def test_a_file_is_sent_from_its_start_again(tmp_path: Path) -> None:
    image = tmp_path / "a.png"
    image.write_bytes(b"pixels" * 50_000)
    seen = iter([None, (503, {"code": "store-unavailable"}, {"Retry-After": "0"})])
    stored = {"asset_id": "d:1", "digest": "1", "width": 1, "height": 1, "duplicate": False}

    def answer(method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        return next(seen, (201, stored, {}))

    with serving(answer) as server, Client(server.url, "t") as client:
        client.datasets.upload("d", Upload(image, group="g", file_name="day/a.png"))
    assert len(server.requests) == 3
    assert len(set(server.keys)) == 1
    for _, _, _, body in server.requests:
        assert body.count(b"pixels") == 50_000
        assert b"day/a.png" in body


def test_a_platform_that_stays_overloaded_is_told_after_the_last_attempt() -> None:
    problem = {"code": "too-much-waits", "detail": "the outbox is full"}
    with (
        serving(lambda *_: (429, problem, {"Retry-After": "0"})) as server,
        Client(server.url, "t", attempts=3) as client,
        pytest.raises(UnavailableError, match="the outbox is full"),
    ):
        client.datasets.get("d")
    assert len(server.requests) == 3


@pytest.mark.parametrize("status", [400, 403, 404, 409, 422, 500])
def test_a_refusal_is_not_repeated(status: int) -> None:
    with (
        serving(lambda *_: (status, {"code": "no"}, {})) as server,
        Client(server.url, "t") as client,
        pytest.raises(Exception, match="no"),
    ):
        client.datasets.get("d")
    assert len(server.requests) == 1


class Depot:
    """Takes the parts of one big file, by URLs that are good for the next request to the store."""

    def __init__(self, refuses: Answer = None) -> None:
        self.stored: dict[int, bytes] = {}
        self.puts = 0
        self.refuses = refuses
        self.server = ""

    def __call__(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        where, _, query = path.partition("?")
        asked = dict(each.split("=") for each in query.split("&") if each)
        if method == "PUT":
            self.puts += 1
            if self.refuses is not None:
                return self.refuses
            if self.puts - 1 != int(asked["at"]):
                return 403, {"code": "AccessDenied", "message": "Request has expired"}, {}
            if self.puts == 4:
                return None  # a connection that breaks
            self.stored[int(where[-1])] = body
            return 200, {}, {}
        if where.endswith("/parts"):
            first, limit = int(asked.get("cursor", 1)), int(asked["limit"])
            last = min(PARTS, first + limit - 1)
            parts = [
                {
                    "number": n,
                    "bytes": 4,
                    "stored": n in self.stored,
                    "url": f"{self.server}/{n}?at={self.puts}",
                }
                for n in range(first, last + 1)
            ]
            return 200, {"items": parts, "next": str(last + 1) if last < PARTS else None}, {}
        if where.endswith("/complete"):
            missing = len(self.stored) < PARTS
            return (422, {"code": "upload-incomplete"}, {}) if missing else (202, UPLOAD, {})
        return 201, UPLOAD | {"state": "open"}, {}


PARTS = 8
UPLOAD = {
    "upload_id": "u",
    "dataset_id": "d",
    "purpose": "archive",
    "state": "done",
    "bytes": 4 * PARTS,
    "digest": "0" * 64,
    "part_bytes": 4,
    "parts": PARTS,
    "expires_at": "2026-01-01T00:00:00Z",
}


@pytest.fixture
def big(tmp_path: Path) -> Path:
    file = tmp_path / "big.zip"
    file.write_bytes(b"".join(f"{n:04}".encode() for n in range(PARTS)))
    return file


def test_a_big_file_arrives_though_urls_are_refused_a_little_later(big: Path) -> None:
    depot = Depot()
    with serving(depot) as server, Client(server.url, "t") as client:
        depot.server = server.url
        sent = Sending(client._transport).send("d", big, {"purpose": "archive"})
    assert sent.state == "done"
    assert b"".join(depot.stored[n] for n in range(1, PARTS + 1)) == big.read_bytes()
    assert depot.puts <= PARTS + 2


def test_a_store_that_refuses_for_good_is_not_asked_again(big: Path) -> None:
    for status, puts in ((404, 1), (400, 1), (403, 3)):
        depot = Depot(refuses=(status, {"code": "no"}, {}))
        with serving(depot) as server, Client(server.url, "t", attempts=3) as client:
            depot.server = server.url
            with pytest.raises(UnreachableError, match=f"takes nothing at .*: {status}"):
                Sending(client._transport).send("d", big, {"purpose": "archive"})
        assert depot.puts == puts


def test_an_error_lists_what_is_wrong_and_keeps_the_code() -> None:
    problem = {
        "code": "invalid-request",
        "detail": "the request is not valid in 1 place",
        "errors": [{"loc": ["body", "stages", 0, "team"], "msg": "Field required"}],
    }
    with (
        serving(lambda *_: (422, problem, {})) as server,
        Client(server.url, "t") as client,
        pytest.raises(InvalidRequestError) as caught,
    ):
        client.projects.apply({"project": "p"})
    assert caught.value.code == "invalid-request"
    assert "body.stages.0.team: Field required" in str(caught.value)


def test_what_is_no_wakeline_and_what_is_not_there_are_told_apart() -> None:
    with serving(lambda *_: (200, b"<html>", {})) as server:
        with (
            Client(f"{server.url}/other", "t") as client,
            pytest.raises(UnreachableError, match="is not Wakeline"),
        ):
            client.datasets.get("d")
        with (
            Client(server.url, "t") as client,
            pytest.raises(UnreachableError, match="runs no service 'workbench'; it runs: ingest"),
        ):
            client.operations.backlog("workbench")
    with (
        Client(server.url, "t", attempts=2) as client,
        pytest.raises(UnreachableError, match="no answer from"),
    ):
        client.datasets.get("d")


def test_names_stay_one_segment_of_the_path() -> None:
    conflict: Answer = (409, {"code": "no", "detail": "no"}, {})
    with serving(lambda *_: conflict) as server, Client(server.url, "t") as client:
        with pytest.raises(ConflictError):
            client.assets.get("sea:ab/../c?d")
        assert server.requests[0][1] == "/v1/assets/sea%3Aab%2F..%2Fc%3Fd"


def test_every_page_of_a_list_is_read() -> None:
    def answer(method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        team = {"name": "n", "kind": "internal", "cost_per_hour": 1, "version": 1}
        if "cursor=second" in path:
            return 200, {"items": [{**team, "team_id": "b"}], "next": None}, {}
        return 200, {"items": [{**team, "team_id": "a"}], "next": "second"}, {}

    with serving(answer) as server, Client(server.url, "t") as client:
        assert [team.team_id for team in client.teams.list()] == ["a", "b"]


def predicted(corners: tuple[float, float, float, float], name: str = "1") -> Predicted:
    return Predicted(id=name, class_name="hull", geometry=Box(corners=corners))


def test_shapes_that_no_platform_takes_do_not_spoil_the_batch() -> None:
    def answer(method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        items = json.loads(body)["items"]
        return 201, {"items": [{**item, "status": "stored"} for item in items]}, {}

    good = predicted((0, 0, 2, 2))
    with serving(answer) as server, Client(server.url, "t") as client:
        reports = client.predictions.upload(
            "p",
            "s",
            {
                "sea:1": [good],
                "sea:2": [predicted((0, 0, float("nan"), 2))],
                "sea:3": [good, good],
                "sea:4": [predicted((3, 0, 2, 2))],
            },
        )
        assert len(server.requests) == 1
    told = {report.asset_id: report.detail for report in reports if report.status == "refused"}
    assert set(told) == {"sea:2", "sea:3", "sea:4"}
    assert told["sea:3"] == "2 shapes have the id '1'"


def test_many_predictions_go_in_requests_below_the_limits() -> None:
    def answer(method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        items = json.loads(body)["items"]
        assert len(items) <= 1_000
        assert len(body) < 8_000_000
        return 201, {"items": [{"asset_id": i["asset_id"], "status": "stored"} for i in items]}, {}

    many = [predicted((0, 0, 2, 2), str(n)) for n in range(5)]
    with serving(answer) as server, Client(server.url, "t") as client:
        pairs = ((f"sea:{n}", many) for n in range(1_100))
        reports = client.predictions.upload("p", "s", pairs)
        assert len(server.requests) == 3
    assert [report.asset_id for report in reports] == [f"sea:{n}" for n in range(1_100)]
