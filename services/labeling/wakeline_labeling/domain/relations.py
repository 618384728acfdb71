"""Which stages a stage's predictors answer through: what that needs, and that it is no circle."""

from collections.abc import Iterator, Mapping

from wakeline_events.base import ProjectId, StageId
from wakeline_events.configuration import PredictorChoice, ProjectDocument

Documents = Mapping[ProjectId, ProjectDocument]
"""The document that is judged, and those of all projects that lie behind its relations."""


def projects_of(document: ProjectDocument) -> set[ProjectId]:
    """The projects whose stages this one's are related to."""
    return {
        choice.stage.partition("/")[0]
        for stage in document.stages
        for choice in stage.predictors
        if choice.stage is not None
    }


def problems_of(document: ProjectDocument, documents: Documents) -> list[str]:
    """Why a document's relations cannot work, each with what to do about it; [] if they can."""
    problems = []
    for stage in document.stages:
        stage_id = f"{document.project}/{stage.name}"
        for choice in stage.predictors:
            if choice.stage is not None:
                about = f"stage {stage.name!r} is related to {choice.stage!r}"
                problems += [f"{about}, {p}" for p in _problems(choice, document, documents)]
        if circle := _circle(stage_id, documents):
            problems.append(
                f"stage {stage.name!r} is related to itself ({' to '.join(circle)}): models that "
                f"learn from each other's proposals agree ever more and know no more; leave one out"
            )
    return problems


def _problems(
    choice: PredictorChoice, document: ProjectDocument, documents: Documents
) -> Iterator[str]:
    project_id, _, name = (choice.stage or "").partition("/")
    theirs = documents.get(project_id)
    if theirs is None or name not in {stage.name for stage in theirs.stages}:
        yield "which does not exist: create it first, or leave the predictor out"
        return
    here, there = (
        [definition.name for definition in each.ontology.classes] for each in (document, theirs)
    )
    if unknown := sorted(choice.classes.keys() - there):
        yield f"which has no class {', '.join(unknown)}: it has {', '.join(there)}"
    if unknown := sorted(set(choice.classes.values()) - set(here)):
        yield f"but this project has no class {', '.join(unknown)}: it has {', '.join(here)}"
    if not choice.classes and not set(here) & set(there):
        yield (
            f"which has none of this project's classes but {', '.join(there)}: "
            f"say in `classes` which of them becomes which"
        )


def _circle(stage_id: StageId, documents: Documents) -> list[StageId]:
    """The way by which a stage leads back to itself, itself at both ends; [] if there is none."""
    seen: set[StageId] = set()
    ways = [[stage_id]]
    while ways:
        way = ways.pop()
        for following in _related(way[-1], documents):
            if following == stage_id:
                return [*way, following]
            if following not in seen:
                seen.add(following)
                ways.append([*way, following])
    return []


def _related(stage_id: StageId, documents: Documents) -> list[StageId]:
    project_id, _, name = stage_id.partition("/")
    document = documents.get(project_id)
    return [
        choice.stage
        for stage in (document.stages if document else ())
        if stage.name == name
        for choice in stage.predictors
        if choice.stage is not None
    ]
