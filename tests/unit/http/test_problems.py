"""Every refusal is a problem document with a stable code."""

import asyncio
from typing import Annotated, Any, ClassVar

import pytest
from fastapi import Depends, Query
from pydantic import Field
from pymongo.errors import (
    AutoReconnect,
    ConfigurationError,
    DuplicateKeyError,
    ExecutionTimeout,
    NetworkTimeout,
    OperationFailure,
    ServerSelectionTimeoutError,
)
from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse

from wakeline_auth import Role
from wakeline_blobs import BlobStoreUnavailableError
from wakeline_events.strict import Strict
from wakeline_http import IdempotencyKey, Router, authenticated, problems
from wakeline_storage import TransactionTimeoutError

STANDARD = {"type", "title", "status", "detail", "code"}
JSON = {"content-type": "application/json"}


class LeaseExpiredError(Exception):
    code: ClassVar[str] = "lease-expired"

    def __init__(self) -> None:
        super().__init__("the lease has expired; your work is kept as a draft")
        self.extra = {"draft_id": "d-1", "status": 200}


class TooManyError(Exception):
    code: ClassVar[str] = "too-many-requests"
    retry_after = 7


class StageArchivedError(LeaseExpiredError):
    code: ClassVar[str] = "stage-archived"


class Shape(Strict):
    x: float
    name: Annotated[str, Field(max_length=5)] = ""


@pytest.fixture
def client(app_of: Any, clients: Any) -> Any:
    raised: dict[str, BaseException] = {
        "lease": LeaseExpiredError(),
        "many": TooManyError("slow down"),
        "archived": StageArchivedError(),
        "bug": RuntimeError("password=hunter2"),
        "reconnect": AutoReconnect("mongo-0.internal:27017"),
        "selection": ServerSelectionTimeoutError("mongo-0.internal:27017"),
        "network": NetworkTimeout("mongo-0.internal:27017"),
        "timeout": ExecutionTimeout("slow", 50),
        "conflicts": TransactionTimeoutError(OperationFailure("write conflict", 112)),
        "full": OperationFailure("no space left on device", 14031),
        "starting": ConfigurationError("Sessions are not supported by this MongoDB deployment"),
        "duplicate": DuplicateKeyError("E11000"),
        "blobs": BlobStoreUnavailableError("s3.internal"),
        "gone": ClientDisconnect(),
    }
    router = Router(prefix="/v1", dependencies=[Depends(authenticated)])

    @router.get("/raise/{name}", responses=problems(LeaseExpiredError))
    async def raise_it(name: str) -> None:
        raise raised[name]

    @router.post("/shapes")
    async def add_shapes(shapes: list[Shape], key: IdempotencyKey = None) -> int:
        return len(shapes)

    @router.get("/numbers")
    async def read_numbers(limit: Annotated[int, Query(ge=1)]) -> int:
        return limit

    @router.get("/halfway")
    async def halfway() -> StreamingResponse:
        async def chunks() -> Any:
            yield b"the first half"
            await asyncio.sleep(0)
            raise RuntimeError("no second half")

        return StreamingResponse(chunks())

    app = app_of(router, problems={LeaseExpiredError: 409, TooManyError: 429})
    return clients(app, Role.LABELER)


async def test_a_domain_error_becomes_the_problem_its_table_says(client: Any) -> None:
    answer = await client.get("/v1/raise/lease")
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "urn:wakeline:problem:lease-expired",
        "title": "Lease expired",
        "status": 409,  # an extra member does not replace a standard one
        "detail": "the lease has expired; your work is kept as a draft",
        "code": "lease-expired",
        "draft_id": "d-1",
    }


async def test_a_subclass_has_its_parents_status_and_its_own_code(client: Any) -> None:
    answer = await client.get("/v1/raise/archived")
    assert (answer.status_code, answer.json()["code"]) == (409, "stage-archived")


async def test_an_error_can_say_when_to_try_again(client: Any) -> None:
    answer = await client.get("/v1/raise/many")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")


async def test_a_bug_shows_nothing_but_its_correlation_id(client: Any) -> None:
    answer = await client.get("/v1/raise/bug", headers={"X-Correlation-Id": "c-42"})
    assert (answer.status_code, answer.json()["code"]) == (500, "internal-error")
    assert answer.json()["correlation_id"] == "c-42"
    assert "hunter2" not in answer.text


@pytest.mark.parametrize(
    "name",
    ["reconnect", "selection", "network", "timeout", "blobs", "conflicts", "full", "starting"],
)
async def test_a_store_out_of_reach_asks_to_try_again(client: Any, name: str) -> None:
    answer = await client.get(f"/v1/raise/{name}")
    assert (answer.status_code, answer.json()["code"]) == (503, "store-unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert "internal" not in answer.json()["detail"]


async def test_a_stores_refusal_is_not_its_absence(client: Any) -> None:
    assert (await client.get("/v1/raise/duplicate")).json()["code"] == "internal-error"


async def test_an_unknown_path_is_a_problem_too(client: Any) -> None:
    answer = await client.get("/v1/nowhere")
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
    assert answer.json().keys() == STANDARD


async def test_a_wrong_method_is_a_problem_that_names_the_right_one(client: Any) -> None:
    answer = await client.delete("/v1/shapes")
    assert (answer.status_code, answer.json()["code"]) == (405, "method-not-allowed")
    assert answer.headers["allow"] == "POST"


async def test_a_trailing_slash_is_another_path_and_not_a_redirect(client: Any) -> None:
    assert (await client.get("/v1/numbers/?limit=1")).status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'[{"x": NaN}]',
        b'[{"x": Infinity}]',
        b'[{"x": -Infinity}]',
        b'[{"x": 1e999}]',
        b'[{"x": ' + b"9" * 5_000 + b"}]",
        b'[{"x": 1, "name": "\xff\xfe"}]',
        b'[{"x": 1, "name": "\\ud800"}]',
        b"[" * 100_000,
        b'[{"x": 1}] and more',
        b"\x00",
    ],
    ids=range(12),
)
async def test_what_is_not_json_is_an_invalid_request(client: Any, body: bytes) -> None:
    answer = await client.post("/v1/shapes", content=body, headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request")
    assert answer.json()["errors"][0]["loc"][0] == "body"


async def test_strict_json_is_read(client: Any) -> None:
    answer = await client.post("/v1/shapes", json=[{"x": 1.5, "name": "Ångs"}])
    assert (answer.status_code, answer.json()) == (200, 1)


async def test_an_invalid_request_says_where_and_why_but_repeats_nothing(client: Any) -> None:
    answer = await client.post("/v1/shapes", json=[{"x": 1}, {"x": 2, "name": "a secret name"}])
    assert answer.json()["errors"] == [
        {"loc": ["body", 1, "name"], "msg": "String should have at most 5 characters"}
    ]
    assert "secret" not in answer.text


async def test_a_thousand_errors_are_counted_and_twenty_listed(client: Any) -> None:
    answer = await client.post("/v1/shapes", json=[{"x": "?"}] * 1_000)
    assert len(answer.json()["errors"]) == 20
    assert answer.json()["detail"].endswith("in 1000 places (980 more than are listed)")


async def test_many_unknown_fields_are_one_error_and_few_one_each(client: Any) -> None:
    answer = await client.post("/v1/shapes", json=[{"x": 1, "y": 1, "z": 1}])
    assert [error["loc"][2] for error in answer.json()["errors"]] == ["y", "z"]
    many = {"x": 1, **dict.fromkeys(map(str, range(10_000)), 0)}
    (error,) = (await client.post("/v1/shapes", json=[many])).json()["errors"]
    assert error["loc"] == ["body", 0]
    assert "10,000 fields that are not known" in error["msg"]


async def test_a_field_whose_name_is_megabytes_long_is_not_sent_back(client: Any) -> None:
    answer = await client.post("/v1/shapes", json=[{"x": 1, "n" * 1_000_000: 1}])
    assert answer.status_code == 422
    assert len(answer.content) < 1_000


@pytest.mark.parametrize("limit", ["0", "x", "", "NaN", "%FF"])
async def test_a_bad_query_is_an_invalid_request(client: Any, limit: str) -> None:
    answer = await client.get(f"/v1/numbers?limit={limit}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request")
    assert answer.json()["errors"][0]["loc"] == ["query", "limit"]


@pytest.mark.parametrize("key", ["", "x" * 201, "two words", "\xe9"])
async def test_a_bad_idempotency_key_is_an_invalid_request(client: Any, key: str) -> None:
    answer = await client.post(
        "/v1/shapes", json=[], headers={"Idempotency-Key": key.encode("latin-1")}
    )
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["header", "Idempotency-Key"]


async def test_a_response_that_breaks_halfway_does_not_look_whole(app_of: Any, client: Any) -> None:
    app = client._transport.app
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(10)
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/v1/halfway",
        "query_string": b"",
        "headers": [(b"authorization", client.headers["authorization"].encode())],
    }
    with pytest.raises(RuntimeError, match="no second half"):
        await app(scope, receive, send)
    assert sent[1]["body"] == b"the first half"
    assert sent[-1]["more_body"]


def test_an_error_class_without_a_code_cannot_enter_a_table(app_of: Any) -> None:
    with pytest.raises(TypeError, match="KeyError needs a class attribute code"):
        app_of(problems={KeyError: 404})


def test_an_error_class_without_a_code_cannot_be_documented() -> None:
    with pytest.raises(TypeError, match="ValueError needs a class attribute code"):
        problems(ValueError)
