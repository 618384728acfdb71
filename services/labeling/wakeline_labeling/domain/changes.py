"""What a new project document changes: a list of differences, and what they would break."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from pydantic import ValidationError

from wakeline_events.configuration import (
    ModelParameters,
    PredictorChoice,
    ProjectDocument,
    problems_of,
)


class Change(NamedTuple):
    """One difference between two documents; None where a side has nothing."""

    path: str
    """``stages[weeds].review.share``: members of a list stand under their name."""
    before: Any
    after: Any


def between(before: ProjectDocument | None, after: ProjectDocument) -> list[Change]:
    """All differences, in the order of the new document; [] if there is none."""
    old = before.model_dump(mode="json") if before else {}
    return list(_compare("", old, after.model_dump(mode="json")))


def touches_ontology(changes: list[Change]) -> bool:
    """Whether labels are checked against something else from now on."""
    return any(change.path.startswith("ontology") for change in changes)


def unworkable(document: ProjectDocument, project_id: str, teams: set[str]) -> list[str]:
    """Why a document cannot work, each with what to do about it; [] if it can.

    Parameters
    ----------
    teams : the teams that exist
    """
    problems = []
    if document.project != project_id:
        problems.append(
            f"the document is of project {document.project!r}: send it to "
            f"/v1/projects/{document.project}, or change its field `project`"
        )
    for stage in document.stages:
        needed = {"team": stage.team, "review.team": stage.review.team}
        problems += [
            f"team {team!r} ({field} of stage {stage.name!r}) does not exist: create it first "
            f"with PUT /v1/teams/{team}"
            for field, team in needed.items()
            if team is not None and team not in teams
        ]
        problems += _untrainable(document, stage.name)
        problems += [
            f"stage {stage.name!r} lists {choice.name}, whose parameters cannot be: {problem}"
            for choice in stage.predictors
            if choice.name == "related" and (problem := _misset(choice))
        ]
    return problems


def _untrainable(document: ProjectDocument, stage: str) -> list[str]:
    training = document.stage(stage).training
    if training is None:
        return []
    fitting = {"boxes": {"box"}, "instances": {"polygon", "mask"}}[training.trainer]
    if any(fitting & set(definition.kinds) for definition in document.ontology.classes):
        return []
    wanted = " or ".join(sorted(fitting))
    problem = (
        f"stage {stage!r} trains {training.trainer}, but no class of the ontology is drawn as "
        f"{wanted}: add a kind to a class, or choose another trainer"
    )
    return [problem]


def _misset(choice: PredictorChoice) -> str | None:
    try:
        ModelParameters.model_validate(choice.parameters)
    except ValidationError as error:
        return problems_of(error)
    return None


def _compare(path: str, before: Any, after: Any) -> Iterator[Change]:
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for key in [*after, *(key for key in before if key not in after)]:
            inner = f"{path}.{key}" if path else key
            yield from _compare(inner, before.get(key), after.get(key))
        return
    old, new = _by_name(before), _by_name(after)
    if old is not None and new is not None and (old or new):
        if list(old) != list(new) and sorted(old) == sorted(new):
            yield Change(f"{path} (order)", list(old), list(new))
        for name in [*new, *(name for name in old if name not in new)]:
            yield from _compare(f"{path}[{name}]", old.get(name), new.get(name))
        return
    yield Change(path, before, after)


def _by_name(value: Any) -> dict[str, Any] | None:
    """A list of members that each have a name of their own as a mapping, or None if it is none."""
    if value is None:
        return {}
    if not isinstance(value, list | tuple):
        return None
    if not all(isinstance(item, dict) and "name" in item for item in value):
        return None
    members = {item["name"]: item for item in value}
    return members if len(members) == len(value) else None
