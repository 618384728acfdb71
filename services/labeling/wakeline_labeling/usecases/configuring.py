"""Creates and changes projects: what differs, what it would break, and what follows from it."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from wakeline_events.configuration import ProjectDocument
from wakeline_events.labeling import ProjectConfigured
from wakeline_labeling.domain import changes, names, ontology, relations
from wakeline_labeling.domain.changes import Change
from wakeline_labeling.domain.errors import InvalidProjectError, OrphansLabelsError
from wakeline_labeling.domain.records import Project
from wakeline_labeling.ports import UnitOfWork

WANTED = ("held", "queued", "withdrawn", "leased", "submitted")
"""States of slots from which a label, or its verdict, is still to come."""


class Applied(NamedTuple):
    """What applying a document changed, or would change."""

    project: Project
    changes: Sequence[Change]


async def apply_project(
    uow: UnitOfWork,
    project_id: str,
    document: ProjectDocument,
    *,
    by: str,
    force: bool = False,
    dry_run: bool = False,
) -> Applied:
    """Create a project, or make it what the document says; an equal document changes nothing.

    Policies hold for tasks that are opened from now on, the order of a queue at once.

    Raises
    ------
    InvalidProjectError
        If the document cannot work.
    OrphansLabelsError
        Unless forced: if labels or open tasks would lose what they belong to.
    """
    problems = changes.unworkable(document, project_id, await uow.teams.ids())
    problems += relations.problems_of(document, await _behind(uow, document))
    if problems:
        raise InvalidProjectError(problems)
    before = await uow.projects.get(project_id)
    found = changes.between(before.document if before else None, document)
    if before is not None and not found:
        return Applied(before, ())
    if before is not None and not force:
        await _refuse_orphans(uow, before, document)
    project = _next_version(before, project_id, document, found)
    if not dry_run:
        _put(uow, before, project, by)
    return Applied(project, found)


async def _behind(uow: UnitOfWork, document: ProjectDocument) -> dict[str, ProjectDocument]:
    """A document, and those of all projects that its stages are related to, however far."""
    found = {document.project: document}
    wanted = relations.projects_of(document) - found.keys()
    while wanted:
        related = await uow.projects.held(wanted.pop())
        if related is not None:
            found[related.id] = related.document
            wanted |= relations.projects_of(related.document) - found.keys()
    return found


def _next_version(
    before: Project | None, project_id: str, document: ProjectDocument, found: list[Change]
) -> Project:
    version = before.version + 1 if before else 1
    same_ontology = before is not None and not changes.touches_ontology(found)
    return Project(
        id=project_id,
        version=version,
        ontology_version=before.ontology_version if before and same_ontology else version,
        document=document,
    )


def _put(uow: UnitOfWork, before: Project | None, project: Project, by: str) -> None:
    document = project.document
    uow.projects.put(project, by=by, at=uow.now)
    for stage in document.stages:
        uow.projects.add_stage(names.stage_id(project.id, stage.name))
        if before is not None and _order_of(before, stage.name) not in (None, stage.order):
            stage_id = names.stage_id(project.id, stage.name)
            uow.enqueue("reorder", stage_id, {"stage_id": stage_id})
    for dataset in document.datasets:
        uow.enqueue("open", f"{project.id}|{dataset}", {"project": project.id, "dataset": dataset})
    uow.enqueue("sweep", "sweep", {})
    uow.emit(ProjectConfigured(project_id=project.id, version=project.version, document=document))
    uow.known(f"project:{project.id}")


def _order_of(project: Project, stage: str) -> str | None:
    found = project.stage(stage)
    return found.policy.order if found else None


async def _refuse_orphans(uow: UnitOfWork, before: Project, document: ProjectDocument) -> None:
    problems = []
    for word, loss in ontology.lost_words(before.document.ontology, document.ontology).items():
        if labels := await uow.labels.count_using(before.id, word):
            problems.append(f"{loss}, but {labels} labels use it")
    kept = {stage.name for stage in document.stages}
    for stage in before.document.stages:
        stage_id = names.stage_id(before.id, stage.name)
        if stage.name not in kept and (losses := await _left_in(uow, before.id, stage_id)):
            problems.append(f"stage {stage.name!r} would go, but has {losses}")
        if stage.name not in kept:
            problems += [
                f"stage {stage.name!r} would go, but {each} is related to it"
                for each in await uow.projects.related_to(stage_id)
            ]
    if problems:
        raise OrphansLabelsError(problems)


async def _left_in(uow: UnitOfWork, project_id: str, stage_id: str) -> str:
    """What was made at a stage and what is still wanted there, in words; "" if nothing is."""
    labels = await uow.labels.count_of_stage(project_id, stage_id)
    slots = Counter[str]()
    for row in await uow.slots.tally(stage_id):
        slots[row["state"]] += row["n"]
    wanted = [f"{slots[state]} {state}" for state in WANTED if slots[state]]
    found = [f"{labels} labels"] if labels else []
    if wanted:
        found.append(
            f"open slots ({', '.join(wanted)}): let people finish them, or cancel their tasks with "
            f"`wakeline tasks steer {project_id} cancel --stage {stage_id.partition('/')[2]}`"
        )
    return " and ".join(found)
