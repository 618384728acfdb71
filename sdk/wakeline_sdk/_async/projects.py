"""Projects, teams and people."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from wakeline_sdk._async.transport import AsyncTransport
from wakeline_sdk.models import Applied, Person, Project, Team
from wakeline_sdk.shapes import Annotation


class AsyncProjects:
    """Projects: ontology, stages and policies over datasets, each as one document."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def apply(
        self, document: Mapping[str, Any], *, dry_run: bool = False, force: bool = False
    ) -> Applied:
        """Create a project or change it to what its document says.

        Parameters
        ----------
        dry_run
            Only say what would change.
        force
            Also where labels that exist would no longer fit the ontology.
        """
        params = {"dry_run": str(dry_run).lower(), "force": str(force).lower()}
        path = f"/v1/projects/{document.get('project', '')}"
        answer = await self._transport.json(
            "labeling", "PUT", path, json=dict(document), params=params
        )
        return Applied.model_validate(answer)

    async def get(self, project_id: str) -> Project:
        """A project with its document."""
        return Project.model_validate(
            await self._transport.json("labeling", "GET", f"/v1/projects/{project_id}")
        )

    async def list(self) -> AsyncIterator[Project]:
        """All projects."""
        async for item in self._transport.pages("labeling", "/v1/projects"):
            yield Project.model_validate(item)

    async def status(self, project_id: str, stage: str) -> dict[str, Any]:
        """Where the queue of a stage stands."""
        path = f"/v1/projects/{project_id}/stages/{stage}/status"
        answer: dict[str, Any] = await self._transport.json("labeling", "GET", path)
        return answer

    async def tasks(self, project_id: str, stage: str | None = None) -> AsyncIterator[Any]:
        """The tasks of a project."""
        path = f"/v1/projects/{project_id}/tasks"
        async for item in self._transport.pages("labeling", path, {"stage": stage, "limit": 500}):
            yield item

    async def set_benchmarks(
        self, project_id: str, stage: str, truth: Mapping[str, Sequence[Annotation]]
    ) -> dict[str, Any]:
        """Give assets a trusted label: they score people and gate models, and never train."""
        path = f"/v1/projects/{project_id}/stages/{stage}/benchmarks"
        items = [
            {"asset_id": asset, "annotations": [a.model_dump(mode="json") for a in shapes]}
            for asset, shapes in truth.items()
        ]
        answer: dict[str, Any] = await self._transport.json(
            "labeling", "POST", path, json={"items": items}
        )
        return answer


class AsyncTeams:
    """Teams: internal ones and vendors."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def put(
        self, team_id: str, *, name: str, kind: str = "internal", cost_per_hour: float
    ) -> Team:
        """Create a team or change it."""
        body = {"name": name, "kind": kind, "cost_per_hour": cost_per_hour}
        answer = await self._transport.json("labeling", "PUT", f"/v1/teams/{team_id}", json=body)
        return Team.model_validate(answer)

    async def list(self) -> AsyncIterator[Team]:
        """All teams."""
        async for item in self._transport.pages("labeling", "/v1/teams"):
            yield Team.model_validate(item)


class AsyncPeople:
    """The people of the teams."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def create(
        self, name: str, *, team_id: str, roles: Sequence[str], email: str | None = None
    ) -> Person:
        """Add a person to a team."""
        body: dict[str, Any] = {"name": name, "team_id": team_id, "roles": list(roles)}
        if email is not None:
            body["email"] = email
        return Person.model_validate(
            await self._transport.json("labeling", "POST", "/v1/people", json=body)
        )

    async def list(self) -> AsyncIterator[Person]:
        """All people."""
        async for item in self._transport.pages("labeling", "/v1/people"):
            yield Person.model_validate(item)
