"""What one vendor's people see or change of another's work, on every route of every service.

Acme labels and reviews in the project ``field``; Rival has a project of its own. Rival's people ask
every operation for Acme's work, with ids that are right, and for work that there is not: both get
the same answer, and it says nothing. Acme's own people get theirs by the same requests.
"""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.contract.services import SERVICES, client_of, operations_of
from tests.contract.test_routes import OPEN_TO_ALL
from tests.integration.labeling.conftest import Lab, asset, box, document
from wakeline_auth import Role
from wakeline_events.base import ServiceName
from wakeline_labeling.settings import Settings as LabelingSettings
from wakeline_labeling.wiring import service as labeling_service
from wakeline_review.settings import Settings as ReviewSettings
from wakeline_review.wiring import service as review_service
from wakeline_testing import Scope
from wakeline_testing.interleaving import state_hash
from wakeline_testing.running import Publisher, RunningService, running, settings_of, settled

pytestmark = [pytest.mark.kafka, pytest.mark.mongo, pytest.mark.s3]
ROLES = (Role.LABELER, Role.REVIEWER)
OF_NOBODY = str.maketrans("0123456789abcdef", "123456789abcdef0")
SECRETS = ("rare-weed", "acme", "weeds", "p-ann", "p-rae", "crops", "only for us")
"""What Acme's ontology, teams, stages, people, images and comments are called."""

HIDDEN = {
    "GET /v1/projects/{project_id}": 0,
    "GET /v1/projects/{project_id}/stages/{stage}/status": 0,
    "GET /v1/projects/{project_id}/stages/{stage}/exam": 0,
    "POST /v1/projects/{project_id}/stages/{stage}/leases": 0,
    "GET /v1/leases/{lease_id}": 0,
    "GET /v1/leases/{lease_id}/image": 0,
    "GET /v1/leases/{lease_id}/bands/{band}": 0,
    "PUT /v1/leases/{lease_id}/draft": 0,
    "POST /v1/leases/{lease_id}/heartbeat": 0,
    "POST /v1/leases/{lease_id}/return": 1,
    "POST /v1/leases/{lease_id}/skip": 2,
    "POST /v1/leases/{lease_id}/submit": 3,
    "POST /v1/reviews/leases": 0,
    "GET /v1/verdicts": 0,
    "POST /v1/reviews/{label_id}/corrections": 0,
    "GET /v1/reviews/leases/{lease_id}/image": 0,
    "GET /v1/reviews/leases/{lease_id}/bands/{name}": 0,
    "POST /v1/reviews/leases/{lease_id}/heartbeat": 0,
    "POST /v1/reviews/leases/{lease_id}/return": 1,
    "POST /v1/reviews/leases/{lease_id}/verdict": 2,
    "POST /v1/reviews/leases/{lease_id}/skip": 3,
}
"""What is answered with 404, and which of Acme's leases it is about: some end by it."""
OWN = {
    "GET /v1/projects": 0,
    "GET /v1/leases": 0,
    "GET /v1/reviews/leases": 0,
    "GET /v1/statistics/people": 0,
    "POST /v1/leases/heartbeat": 0,
    "POST /v1/leases/return": 4,
    "POST /v1/leases/submit": 5,
}
"""Answered with the caller's own, or with a refusal for each that was asked for."""
OPERATIONS = HIDDEN | OWN
"""Everything that gets past the roles of Rival's people. A new line is a decision about what one
vendor is told of another, and needs a request in `Asked` that is right for its owner."""


@dataclass
class Asked:
    """Ids that a request is made of: Acme's, or of nothing that is there."""

    leases: list[dict[str, Any]]
    reviews: list[dict[str, Any]]
    label_id: str
    project: str = "field"
    stage: str = "weeds"

    @property
    def of_nothing(self) -> "Asked":
        """The same, where nothing is."""
        elsewhere = {
            name: [{**one, "lease_id": one["lease_id"].translate(OF_NOBODY)} for one in held]
            for name, held in (("leases", self.leases), ("reviews", self.reviews))
        }
        label_id = self.label_id.translate(OF_NOBODY)
        return Asked(**elsewhere, label_id=label_id, project="meadow", stage="mosses")

    def unnamed(self, text: str) -> str:
        """An answer without the ids that were asked for."""
        leases = [one["lease_id"] for one in (*self.leases, *self.reviews)]
        for name in (*leases, self.label_id, self.project, self.stage):
            text = text.replace(name, "...")
        return text

    def parameters(self, operation: str) -> dict[str, str]:
        """What stands in the path and the query of an operation."""
        return {
            "project_id": self.project,
            "project": self.project,
            "stage": self.stage,
            "lease_id": self.lease(operation)["lease_id"],
            "label_id": self.label_id,
            "person": "p-ann",
            "team": "acme",
            "band": "nir",
            "name": "nir",
        }

    def lease(self, operation: str) -> dict[str, Any]:
        """The lease, of a task or a review, that an operation is about."""
        held = self.reviews if "/reviews" in operation else self.leases
        return held[OPERATIONS.get(operation, 0)]

    def body(self, operation: str) -> dict[str, Any] | None:
        """What an operation is sent."""
        lease = self.lease(operation)
        work = {"fence": lease["fence"], "annotations": [{**box("b"), "class_name": "rare-weed"}]}
        ids = {"lease_ids": [lease["lease_id"]]}
        many = {"items": [{"lease_id": lease["lease_id"], **work}]}
        return {
            "POST /v1/projects/{project_id}/stages/{stage}/leases": {},
            "POST /v1/leases/{lease_id}/return": {},
            "POST /v1/leases/{lease_id}/skip": {},
            "PUT /v1/leases/{lease_id}/draft": work,
            "POST /v1/leases/{lease_id}/submit": work,
            "POST /v1/leases/heartbeat": ids,
            "POST /v1/leases/return": ids,
            "POST /v1/leases/submit": many,
            "POST /v1/reviews/leases": {"project": self.project, "stage": self.stage},
            "POST /v1/reviews/leases/{lease_id}/verdict": {
                "fence": lease["fence"],
                "verdict": "reject",
            },
            "POST /v1/reviews/{label_id}/corrections": {"annotations": []},
        }.get(operation)


@dataclass
class World:
    """Labeling and review with Acme's work in them."""

    services: dict[str, RunningService]
    acme: Asked
    operations: dict[str, dict[str, Mapping[str, Any]]] = field(default_factory=dict)

    async def ask(
        self, name: ServiceName, operation: str, asked: Asked, person: tuple[Any, ...]
    ) -> httpx.Response:
        """Send one operation as somebody."""
        who, team, *roles = person
        method, path = operation.split(" ")
        known = asked.parameters(operation)
        told = re.sub(r"\{(\w+)\}", lambda found: known.get(found[1], "x"), path)
        there = self.operations[name][operation].get("parameters", ())
        query = {
            p["name"]: known[p["name"]] for p in there if p["in"] == "query" and p["name"] in known
        }
        async with self.client(name, who, team, roles) as client:
            return await client.request(method, told, params=query, json=asked.body(operation))

    def client(
        self, name: ServiceName, who: str, team: str, roles: list[Role]
    ) -> httpx.AsyncClient:
        """A client of a service; of those that are not run here, with nothing behind them."""
        if name in self.services:
            return self.services[name].client(*roles, person_id=who, team_id=team)
        return client_of(name, *roles)

    async def state(self) -> list[str]:
        """All that both services hold."""
        return [await state_hash(one.database) for one in self.services.values()]


@pytest_asyncio.fixture(loop_scope="session")
async def world(scope: Scope) -> AsyncIterator[World]:
    """Acme's people have made labels, reviewed one, and hold leases of both kinds."""
    async with AsyncExitStack() as stack:
        labeling, review = [
            await stack.enter_async_context(running(build(settings_of(scope, name, own)), scope))
            for name, build, own in (
                ("labeling", labeling_service, LabelingSettings),
                ("review", review_service, ReviewSettings),
            )
        ]
        lab = Lab(labeling, Publisher(scope))
        for client in ("ann", "rae"):
            lab.clients[client] = await stack.enter_async_context(
                labeling.client(*ROLES[:1], person_id=f"p-{client}", team_id="acme")
            )
        await _projects(lab)
        await lab.ingest(range(16))
        await lab.no_waiting()
        blobs = type(labeling.process.runtime.resources.blobs)(scope.blobs())
        async with blobs:
            for number in range(16):
                for key in (asset(number).image, asset(number).bands["nir"]):
                    await blobs.put("assets", key, b"\x89PNG pixels")
        drawn = {**box("a"), "class_name": "rare-weed"}
        for lease in await lab.lease("ann", count=6):
            assert (await lab.submit("ann", lease, drawn)).status_code == 201
        await settled(labeling, review)
        rae = await stack.enter_async_context(
            review.client("reviewer", person_id="p-rae", team_id="acme")
        )
        body = {"project": "field", "stage": "weeds", "count": 5}
        answer = await rae.post("/v1/reviews/leases", json=body)
        first, *reviews = answer.json()["leases"]
        said = {"fence": first["fence"], "verdict": "accept", "comment": "only for us"}
        path = f"/v1/reviews/leases/{first['lease_id']}/verdict"
        (await rae.post(path, json=said)).raise_for_status()
        leases = await lab.lease("ann", count=6)
        await settled(labeling, review)
        found = World(
            {"labeling": labeling, "review": review}, Asked(leases, reviews, first["label_id"])
        )
        for name in SERVICES:
            found.operations[name] = {
                f"{method} {path}": operation
                for (method, path), operation in (await operations_of(name)).items()
            }
        yield found


async def _projects(lab: Lab) -> None:
    field = document(team="acme")
    field["ontology"]["classes"].append({"name": "rare-weed", "kinds": ["box"]})
    orchard = document(name="prune", team="rival") | {"project": "orchard", "datasets": ["trees"]}
    for team in ("acme", "rival"):
        body = {"name": team, "kind": "vendor", "cost_per_hour": 7}
        (await lab.manager.put(f"/v1/teams/{team}", json=body)).raise_for_status()
    for one in (field, orchard):
        answer = await lab.manager.put(f"/v1/projects/{one['project']}", json=one)
        answer.raise_for_status()


async def test_one_vendor_sees_and_changes_nothing_of_another_on_any_route(world: World) -> None:
    before, reached = await world.state(), set()
    people: tuple[tuple[Any, ...], ...] = (
        *(("p-bob", "rival", role) for role in ROLES),
        ("p-bob", "rival", *ROLES),
    )
    nothing = world.acme.of_nothing
    for name in SERVICES:
        for operation in world.operations[name]:
            for person in people:
                answer = await world.ask(name, operation, world.acme, person)
                if answer.status_code == 403 or operation in OPEN_TO_ALL:
                    continue
                where = f"{operation} as {person}: {answer.status_code} {answer.text}"
                assert operation in OPERATIONS, f"nobody decided what Rival is told by {where}"
                reached.add(operation)
                expected = 200 if operation in OWN else 404
                assert answer.status_code == expected, where
                told = world.acme.unnamed(answer.text)
                assert not [word for word in SECRETS if word in told], where
                of_nothing = await world.ask(name, operation, nothing, person)
                assert told == nothing.unnamed(of_nothing.text), where
                assert answer.status_code == of_nothing.status_code, where
    assert reached == set(OPERATIONS)
    assert await world.state() == before


async def test_the_same_requests_give_acme_what_is_theirs(world: World) -> None:
    for name in world.services:
        for operation in OPERATIONS.keys() & world.operations[name].keys():
            reviews = "/v1/reviews/" in operation
            person = ("p-rae", "acme", ROLES[1]) if reviews else ("p-ann", "acme", ROLES[0])
            answer = await world.ask(name, operation, world.acme, person)
            where = f"{operation}: {answer.status_code} {answer.text}"
            assert answer.is_success, where
            assert '"problem":{' not in answer.text, where
            if operation.startswith("GET /v1/projects") and "stages" not in operation:
                assert "rare-weed" in answer.text
                assert not [w for w in ("orchard", "share", "limits", "acme") if w in answer.text]
