"""Projects, teams and people."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, Literal, cast

from wakeline_sdk._sync.transport import Transport
from wakeline_sdk.batches import batches
from wakeline_sdk.checking import problems_of
from wakeline_sdk.models import (
    Applied,
    BenchmarkReport,
    LinesReport,
    PeopleStatistics,
    Person,
    Project,
    ProjectVersion,
    StageStatus,
    Task,
    Team,
)
from wakeline_sdk.paths import path
from wakeline_sdk.shapes import Annotation


class Projects:
    """Projects: ontology, stages and policies over datasets, each as one document."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def apply(
        self, document: Mapping[str, Any], *, dry_run: bool = False, force: bool = False
    ) -> Applied:
        """Create a project or change it to what its document says.

        Parameters
        ----------
        dry_run
            Only say what would change.
        force
            Also where labels that exist would no longer fit the ontology.

        Raises
        ------
        ValueError
            If the document does not name its project.
        """
        if not isinstance(document.get("project"), str):
            raise ValueError("the document names no project: it needs `project: NAME`")
        params = {"dry_run": str(dry_run).lower(), "force": str(force).lower()}
        where = path("/v1/projects/{}", document["project"])
        answer = self._transport.json("labeling", "PUT", where, json=dict(document), params=params)
        return Applied.model_validate(answer)

    def get(self, project_id: str) -> Project:
        """A project with its document."""
        where = path("/v1/projects/{}", project_id)
        return Project.model_validate(self._transport.json("labeling", "GET", where))

    def list(self) -> Iterator[Project]:
        """All projects."""
        for item in self._transport.pages("labeling", "/v1/projects"):
            yield Project.model_validate(item)

    def versions(self, project_id: str) -> Iterator[ProjectVersion]:
        """Every version of a project, newest first."""
        where = path("/v1/projects/{}/versions", project_id)
        for item in self._transport.pages("labeling", where):
            yield ProjectVersion.model_validate(item)

    def status(self, project_id: str, stage: str) -> StageStatus:
        """Where the queue of a stage stands."""
        where = path("/v1/projects/{}/stages/{}/status", project_id, stage)
        return cast(StageStatus, self._transport.json("labeling", "GET", where))

    def tasks(
        self, project_id: str, stage: str | None = None, state: str | None = None
    ) -> Iterator[Task]:
        """The tasks of a project."""
        where = path("/v1/projects/{}/tasks", project_id)
        wanted = {"stage": stage, "state": state, "limit": 500}
        for item in self._transport.pages("labeling", where, wanted):
            yield cast(Task, item)

    def set_benchmarks(
        self,
        project_id: str,
        stage: str,
        truth: Mapping[str, Sequence[Annotation]] | Iterable[tuple[str, Sequence[Annotation]]],
    ) -> Sequence[BenchmarkReport]:
        """Give assets a trusted label: they score people and gate models, and never train.

        Returns
        -------
        sequence of BenchmarkReport
            One for each asset, in no particular order; a refused one says why, the others are set.
        """
        reports: list[BenchmarkReport] = []

        def items() -> Iterator[dict[str, Any]]:
            for asset_id, shapes in truth.items() if isinstance(truth, Mapping) else truth:
                if problems := problems_of(shapes):
                    reports.append(_refused(asset_id, problems))
                    continue
                wire = [shape.model_dump(mode="json") for shape in shapes]
                yield {"asset_id": asset_id, "annotations": wire}

        where = path("/v1/projects/{}/stages/{}/benchmarks", project_id, stage)
        for batch in batches(items()):
            answer = self._transport.json("labeling", "POST", where, json={"items": batch})
            reports += [BenchmarkReport.model_validate(item) for item in answer["items"]]
        return reports

    def set_benchmark_lines(
        self,
        project_id: str,
        stage: str,
        truth: Iterable[tuple[str, Sequence[Annotation]]],
    ) -> Iterator[LinesReport]:
        """Set as many trusted labels as there are: memory does not grow with their number.

        Reports come while the rest is still being read; nothing is sent unless they are asked for.
        """
        where = path("/v1/projects/{}/stages/{}/benchmarks/lines", project_id, stage)
        for report in self._transport.send_lines("labeling", where, {}, _items(truth)):
            yield report

    def import_labels(
        self,
        project_id: str,
        stage: str,
        labels: Iterable[tuple[str, Sequence[Annotation]]],
        *,
        source: str,
        trusted: bool = False,
    ) -> Iterator[LinesReport]:
        """Take in labels that were made elsewhere: they count, and measure nothing.

        Parameters
        ----------
        source
            What they come from: lower case, digits, dots and dashes. Another label of the same
            asset takes the place of an imported one, never of one that people made.
        trusted
            Whether they were made without a pre-label: only then may models be compared on them.
        """
        where = path("/v1/projects/{}/stages/{}/labels/lines", project_id, stage)
        asked = {"source": source, "trusted": "true" if trusted else "false"}
        for report in self._transport.send_lines("labeling", where, asked, _items(labels)):
            yield report


class Teams:
    """Teams: internal ones and vendors."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def put(
        self, team_id: str, *, name: str, kind: str = "internal", cost_per_hour: float = 0.0
    ) -> Team:
        """Create a team or change it."""
        body = {"name": name, "kind": kind, "cost_per_hour": cost_per_hour}
        where = path("/v1/teams/{}", team_id)
        return Team.model_validate(self._transport.json("labeling", "PUT", where, json=body))

    def list(self) -> Iterator[Team]:
        """All teams."""
        for item in self._transport.pages("labeling", "/v1/teams"):
            yield Team.model_validate(item)


class People:
    """The people of the teams."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(
        self, name: str, *, team_id: str, roles: Sequence[str], email: str | None = None
    ) -> Person:
        """Add a person to a team."""
        body: dict[str, Any] = {"name": name, "team_id": team_id, "roles": list(roles)}
        if email is not None:
            body["email"] = email
        return Person.model_validate(
            self._transport.json("labeling", "POST", "/v1/people", json=body)
        )

    def change(
        self,
        person_id: str,
        *,
        name: str | None = None,
        email: str | None = None,
        team_id: str | None = None,
        roles: Sequence[str] | None = None,
    ) -> Person:
        """Change what is said of a person; what is left out stays."""
        said = {"name": name, "email": email, "team_id": team_id, "roles": roles}
        body = {key: value for key, value in said.items() if value is not None}
        where = path("/v1/people/{}", person_id)
        return Person.model_validate(self._transport.json("labeling", "PATCH", where, json=body))

    def list(self, team_id: str | None = None) -> Iterator[Person]:
        """All people, or those of one team."""
        for item in self._transport.pages("labeling", "/v1/people", {"team_id": team_id}):
            yield Person.model_validate(item)

    def statistics(
        self,
        project_id: str,
        *,
        by: Literal["person", "team", "stage", "day"] = "person",
        stage: str | None = None,
        team: str | None = None,
        person: str | None = None,
        since: date | None = None,
        until: date | None = None,
    ) -> Iterator[PeopleStatistics]:
        """How people did, the last 30 days if nothing else is said.

        Whoever may not read statistics is told of themselves alone.
        """
        wanted = {"project": project_id, "by": by, "stage": stage, "team": team, "person": person}
        wanted["since"] = since.isoformat() if since else None
        wanted["until"] = until.isoformat() if until else None
        for item in self._transport.pages("review", "/v1/statistics/people", wanted):
            yield PeopleStatistics.model_validate(item)


def _refused(asset_id: str, problems: Sequence[str]) -> BenchmarkReport:
    return BenchmarkReport(
        asset_id=asset_id, status="refused", code="invalid-shapes", detail="; ".join(problems[:5])
    )


def _items(labels: Iterable[tuple[str, Sequence[Annotation]]]) -> Iterator[dict[str, Any]]:
    for asset_id, shapes in labels:
        wire = [shape.model_dump(mode="json") for shape in shapes]
        yield {"asset_id": asset_id, "annotations": wire}
