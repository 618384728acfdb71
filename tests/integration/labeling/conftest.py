"""The labeling service, running on real servers, with a small project in it."""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest_asyncio

from wakeline_events.base import Asset
from wakeline_events.ingest import AssetIngested
from wakeline_events.prediction import PredictionCompleted
from wakeline_events.shapes import PredictionSet
from wakeline_geometry.shapes import Box, Predicted
from wakeline_labeling.settings import Settings
from wakeline_labeling.wiring import service
from wakeline_testing import Scope
from wakeline_testing.running import Publisher, RunningService, running, settings_of

STAGE = "field/weeds"


def asset(number: int, group: str | None = None) -> Asset:
    """An asset of the dataset ``crops``."""
    digest = f"{number:064x}"
    return Asset(
        asset_id=f"crops:{digest}",
        dataset_id="crops",
        digest=digest,
        width=100,
        height=80,
        group=group or f"g{number}",
        image=f"crops/00/{digest}",
        bands={"nir": f"crops/00/{digest}.nir"},
    )


def box(name: str, x: float = 10.0, **more: Any) -> dict[str, Any]:
    """An annotation as a client sends it."""
    corners = [x, 10.0, x + 20.0, 30.0]
    return {
        "id": name,
        "class_name": "weed",
        "geometry": {"kind": "box", "corners": corners},
        "attributes": {},
        **more,
    }


def document(**stage: Any) -> dict[str, Any]:
    """The project ``field`` with one stage, ``weeds``."""
    return {
        "project": "field",
        "datasets": ["crops"],
        "ontology": {
            "classes": [
                {"name": "weed", "kinds": ["box", "mask"]},
                {"name": "crop", "kinds": ["box"]},
            ]
        },
        "stages": [
            {
                "name": "weeds",
                "team": "botanists",
                "predictors": [{"name": "heuristic.ndvi"}],
                "paired_below": 0,
                "control_share": 0.0,
                "uniform_share": 0.0,
                "holdout_share": 0.0001,
                **stage,
            }
        ],
    }


@dataclass
class Lab:
    """The running service, and what a test does with it."""

    service: RunningService
    publisher: Publisher
    clients: dict[str, httpx.AsyncClient] = field(default_factory=dict)

    def person(self, name: str, *roles: str, team: str | None = "botanists") -> httpx.AsyncClient:
        """A client of a person."""
        if name not in self.clients:
            wanted = roles or ("labeler",)
            self.clients[name] = self.service.client(*wanted, person_id=name, team_id=team)
        return self.clients[name]

    @property
    def manager(self) -> httpx.AsyncClient:
        """A client of the project's manager."""
        return self.person("boss", "admin", team=None)

    async def configure(self, force: bool = False, **stage: Any) -> httpx.Response:
        """Make the team and the project, or change them."""
        team = {"name": "Botanists", "cost_per_hour": 12}
        (await self.manager.put("/v1/teams/botanists", json=team)).raise_for_status()
        return await self.manager.put(
            "/v1/projects/field", json=document(**stage), params={"force": force}
        )

    async def ingest(self, numbers: Iterable[int], groups: str | None = None) -> None:
        """Let assets come."""
        assets = [asset(n, groups) for n in numbers]
        await self.publisher.publish(
            *(AssetIngested(asset_id=a.asset_id, asset=a, bytes=1_000) for a in assets)
        )
        await self.service.settled()

    async def predict(self, number: int, uncertainty: float, epoch: int = 0) -> str:
        """Let the prediction service answer for an asset's task."""
        event = await self.prediction_of(number, uncertainty, epoch)
        await self.publisher.publish(event)
        await self.service.settled()
        return event.prediction_id

    async def prediction_of(
        self, number: int, uncertainty: float, epoch: int = 0
    ) -> PredictionCompleted:
        """The answer of the prediction service for an asset's task."""
        row = await self.service.database["tasks"].find_one(
            {"asset.asset_id": asset(number).asset_id}
        )
        shape = Predicted(
            id="s1", class_name="weed", geometry=Box(corners=(10, 10, 30, 30)), score=0.8
        )
        return PredictionCompleted(
            asset_id=asset(number).asset_id,
            prediction_id=f"{row['_id']}-{epoch}",
            stage_id=STAGE,
            task_id=row["_id"],
            predictor="heuristic.ndvi",
            predictor_version=f"v{epoch}",
            serving_epoch=epoch,
            holdout=False,
            shapes=PredictionSet(count=1, items=(shape,)),
            uncertainty=uncertainty,
        )

    async def lease(
        self, name: str, count: int = 1, key: str | None = None
    ) -> list[dict[str, Any]]:
        """Lease tasks; [] if there is none."""
        response = await self.person(name).post(
            "/v1/projects/field/stages/weeds/leases",
            json={"count": count},
            headers={"Idempotency-Key": key} if key else {},
        )
        if response.status_code == 404:
            assert response.json()["code"] == "no-task-available", response.text
            return []
        assert response.status_code == 201, response.text
        leases: list[dict[str, Any]] = response.json()["leases"]
        return leases

    async def submit(
        self, name: str, lease: dict[str, Any], *annotations: dict[str, Any], **more: Any
    ) -> httpx.Response:
        """Submit annotations for a lease."""
        body = {"fence": lease["fence"], "annotations": list(annotations), **more}
        return await self.person(name).post(f"/v1/leases/{lease['lease_id']}/submit", json=body)

    async def end_of_time(self) -> None:
        """Let every lease that is out run out of time."""
        await self.service.database["slots"].update_many(
            {"state": "leased"},
            [{"$set": {"lease.expires_at": {"$subtract": ["$$NOW", 1]}}}],
        )

    async def no_waiting(self) -> None:
        """Let every slot be ready, as if its predictors had had their time."""
        await self.service.database["slots"].update_many({}, [{"$set": {"ready_at": "$opened_at"}}])


@pytest_asyncio.fixture(loop_scope="session")
async def lab(scope: Scope) -> AsyncIterator[Lab]:
    """A labeling service with nothing in it."""
    settings = settings_of(scope, "labeling", Settings)
    async with running(service(settings), scope) as process:
        found = Lab(process, Publisher(scope))
        yield found
        for client in found.clients.values():
            await client.aclose()
