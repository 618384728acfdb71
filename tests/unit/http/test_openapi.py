"""What a service says about its own routes."""

from http import HTTPStatus
from typing import Annotated, Any, ClassVar

import pytest
from fastapi import Depends
from pydantic import BaseModel

from wakeline_auth import Permission, Principal, Role
from wakeline_http import Page, Router, problems, require


class NoTaskAvailableError(Exception):
    code: ClassVar[str] = "no-task-available"


class ProjectArchivedError(Exception):
    code: ClassVar[str] = "project-archived"


class FenceOutdatedError(Exception):
    code: ClassVar[str] = "fence-outdated"


TABLE = {NoTaskAvailableError: 404, ProjectArchivedError: 409, FenceOutdatedError: 409}


class Lease(BaseModel):
    task_id: str


@pytest.fixture
def router() -> Router:
    router = Router(prefix="/v1/leases", tags=["leases"])

    @router.post(
        "",
        status_code=201,
        responses=problems(NoTaskAvailableError, ProjectArchivedError, FenceOutdatedError),
    )
    async def lease(
        body: Lease, labeler: Annotated[Principal, Depends(require(Permission.LEASE_TASKS))]
    ) -> Page[Lease]:
        """Lease the next task."""
        return Page(items=[body])

    return router


async def test_the_document_names_every_problem_under_its_status(
    app_of: Any, clients: Any, router: Router
) -> None:
    app = app_of(router, problems=TABLE)
    document = (await clients(app, Role.LABELER).get("/openapi.json")).json()
    operation = document["paths"]["/v1/leases"]["post"]
    said = {status: response["description"] for status, response in operation["responses"].items()}
    assert said == {
        "201": "Successful Response",
        "401": "Unauthorized: `unauthenticated`, `token-expired`",
        "403": "Forbidden: `forbidden`",
        "404": "Not Found: `no-task-available`",
        "409": "Conflict: `project-archived`, `fence-outdated`",
        "422": f"{HTTPStatus(422).phrase}: `invalid-request`",
    }
    assert operation["security"] == [{"bearer": []}]
    assert "HTTPValidationError" not in document["components"]["schemas"]
    for status in ("401", "403", "404", "409", "422"):
        (media_type,) = operation["responses"][status]["content"]
        assert media_type == "application/problem+json"


async def test_every_reference_in_the_document_leads_somewhere(
    app_of: Any, clients: Any, router: Router
) -> None:
    app = app_of(router, problems=TABLE)
    document = (await clients(app, Role.LABELER).get("/openapi.json")).json()

    def references(node: Any) -> list[str]:
        if isinstance(node, dict):
            own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
            return own + [ref for value in node.values() for ref in references(value)]
        if isinstance(node, list):
            return [ref for value in node for ref in references(value)]
        return []

    found = references(document)
    assert found
    for ref in found:
        name = ref.removeprefix("#/components/schemas/")
        assert name in document["components"]["schemas"]


async def test_an_error_that_stands_in_no_table_cannot_be_documented(
    app_of: Any, clients: Any, router: Router
) -> None:
    app = app_of(router, problems={NoTaskAvailableError: 404})
    answer = await clients(app, Role.LABELER).get("/openapi.json")
    assert answer.status_code == 500


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/docs/oauth2-redirect"])
async def test_there_is_no_page_that_would_load_something_from_elsewhere(
    path: str, app_of: Any, clients: Any
) -> None:
    assert (await clients(app_of(), Role.ADMIN).get(path)).status_code == 404


async def test_any_principal_can_ask_where_the_services_are(app_of: Any, clients: Any) -> None:
    answer = await clients(app_of(), Role.LABELER).get("/v1/services")
    assert answer.json() == {"ingest": "http://ingest", "labeling": "http://labeling"}
