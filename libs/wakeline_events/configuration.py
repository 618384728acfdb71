"""A project's whole configuration: what ``wakeline project apply`` writes and events carry."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, Field, ValidationError, model_validator

from wakeline_events.strict import Strict
from wakeline_geometry.shapes import AttributeValue, GeometryKind

Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
"""A name that is safe in a URL, a bucket key and a Kubernetes label."""
ClassName = Annotated[str, Field(min_length=1, max_length=200)]
Share = Annotated[float, Field(ge=0, le=1)]


def known_part(model: type[BaseModel], value: Any) -> Any:
    """A document of a newer release, without what this release does not know.

    People's documents are read strictly; an event's must be readable whoever wrote it.
    """
    if not isinstance(value, Mapping):
        return value
    kept = {}
    for name, field in model.model_fields.items():
        if name in value:
            inner = _model_in(field.annotation)
            item = value[name]
            if inner is None:
                kept[name] = item
            elif isinstance(item, Sequence) and not isinstance(item, str):
                kept[name] = [known_part(inner, one) for one in item]
            else:
                kept[name] = known_part(inner, item)
    return kept


def problems_of(error: ValidationError) -> str:
    """What is wrong with a part of a document, in words for people."""
    return "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model that an annotation holds: itself, optional, or in a tuple."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for a in get_args(annotation) if (m := _model_in(a)) is not None), None)


class AttributeDefinition(Strict):
    """A property that annotations of a class may, or must, state."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    kind: Literal["text", "number", "boolean", "choice"] = "choice"
    choices: tuple[AttributeValue, ...] = ()
    required: bool = False


class ClassDefinition(Strict):
    """One class of the ontology and the geometry it is drawn with."""

    name: ClassName
    kinds: Annotated[tuple[GeometryKind, ...], Field(min_length=1)]
    attributes: tuple[AttributeDefinition, ...] = ()
    colour: Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")] | None = None


class Ontology(Strict):
    """The classes of a project, in the order that people see them."""

    classes: Annotated[tuple[ClassDefinition, ...], Field(min_length=1, max_length=1_000)]

    @model_validator(mode="after")
    def _names_are_unique(self) -> "Ontology":
        names = [definition.name for definition in self.classes]
        if len(set(names)) != len(names):
            raise ValueError("two classes of the ontology have the same name")
        return self


class ModelParameters(Strict):
    """What a stage may set of a model that answers."""

    least_score: Share = 0.0
    """Shapes below it are not shown."""


class PredictorChoice(Strict):
    """A predictor of a stage; the first in the list that can answer is shown."""

    name: Annotated[
        str, Field(pattern=r"^(own|related|heuristic\.(ndvi|threshold)|external(\.[a-z0-9-]+)?)$")
    ]
    parameters: dict[str, AttributeValue] = Field(default_factory=dict)
    stage: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,63}/[a-z0-9-]{1,63}$")] | None = None
    """Of ``related`` alone: ``<project>/<stage>``, whose model answers."""
    classes: dict[ClassName, ClassName] = Field(default_factory=dict)
    """Of ``related`` alone: its class -> ours; others are dropped. Empty: the same names."""

    @model_validator(mode="after")
    def _only_related_has_a_stage(self) -> "PredictorChoice":
        if (self.name == "related") != (self.stage is not None):
            raise ValueError(
                "`related` needs a `stage`, <project>/<stage>, and nobody else has one"
            )
        if self.classes and self.stage is None:
            raise ValueError("`classes` are of `related`: others know the ontology's own")
        return self


class ReviewPolicy(Strict):
    """What an expert sees before a label counts."""

    share: Share = 1.0
    """Share of labels that a reviewer looks at; the others are accepted as they are."""
    team: Slug | None = None
    """Whose reviewers; if nobody's are named, the stage's own and internal people."""
    lease_minutes: Annotated[float, Field(gt=0, le=1440)] = 30
    max_rounds: Annotated[int, Field(ge=1, le=10)] = 3
    """A rejected label is made again this often at most; the last round goes to an expert."""
    new_person_labels: Annotated[int, Field(ge=0, le=10_000)] = 0
    """So many labels of somebody who is new to the stage are all reviewed."""
    min_prelabel_agreement: Share = 0.0
    """A label that agrees less with the pre-label its person saw is reviewed."""
    min_benchmark_score: Share = 0.0
    """While a person's last ten benchmark scores have a lower mean, all they make is reviewed."""
    classes: tuple[ClassName, ...] = ()
    """Labels that use one of these classes are reviewed."""


class ConsensusPolicy(Strict):
    """What the labels of one task become, where several people make one each."""

    method: Literal["merge", "best"] = "merge"
    """``merge``: what more than half of them drew, fused; ``best``: the label that agrees best."""
    min_agreement: Share = 0.0
    """With a lower mean agreement of every two of them an expert decides."""
    weigh_people: bool = False
    """Where each says one class of the whole image, who was right more often counts for more."""


class ExamPolicy(Strict):
    """What a person must show on benchmarks before a stage's queue opens to them."""

    tasks: Annotated[int, Field(ge=1, le=100)]
    """Benchmarks of one attempt; nobody sees one of them twice."""
    min_agreement: Share = 0.8
    """Mean score of an attempt that passes."""
    attempts: Annotated[int, Field(ge=1, le=100)] = 3
    cooldown_hours: Annotated[float, Field(ge=0, le=720)] = 24
    """From a failed attempt to the next one."""
    suspend_below: Share = 0.0
    """Afterwards, a lower mean of the last twenty benchmark scores closes the queue again."""


class LimitsPolicy(Strict):
    """How much of a stage's work people may hold and ask for; 0: no limit."""

    open_leases_per_person: Annotated[int, Field(ge=0, le=10_000)] = 0
    open_leases_per_team: Annotated[int, Field(ge=0, le=100_000)] = 0
    requests_per_second: Annotated[float, Field(ge=0, le=10_000)] = 0.0
    """Lease requests of each person; by each serving process of the labeling service."""


class TrainingPolicy(Strict):
    """When a stage's own model is trained, and with what."""

    trainer: Literal["instances", "boxes"]
    trigger_labels: Annotated[int, Field(ge=0)] = 0
    """A run starts after this many newly accepted labels; 0: only by hand."""
    parameters: dict[str, AttributeValue] = Field(default_factory=dict)


class StagePolicy(Strict):
    """One step of a project's pipeline."""

    name: Slug
    team: Slug
    predictors: tuple[PredictorChoice, ...] = ()
    n_labels: Annotated[int, Field(ge=1, le=10)] = 1
    order: Literal["uncertainty", "random", "fifo"] = "uncertainty"
    control_share: Share = 0.1
    """Share of tasks shown without pre-labels, so that the saving can be measured."""
    paired_below: Annotated[int, Field(ge=0)] = 50
    """Below this many assets each one goes to two people, one of them assisted."""
    uniform_share: Share = 0.1
    """Share of picks drawn uniformly instead of by ``order``."""
    benchmark_share: Share = 0.05
    """Share of leases that are benchmark tasks, to score people."""
    holdout_share: Annotated[float, Field(gt=0, lt=1)] = 0.2
    lease_minutes: Annotated[float, Field(gt=0, le=1440)] = 15
    prelabel_wait_seconds: Annotated[float, Field(ge=0, le=3600)] = 60
    review: ReviewPolicy = ReviewPolicy()
    consensus: ConsensusPolicy = ConsensusPolicy()
    exam: ExamPolicy | None = None
    limits: LimitsPolicy = LimitsPolicy()
    training: TrainingPolicy | None = None

    def reviewed_by(self, team_id: str | None, *, internal: bool) -> bool:
        """Whether the stage's labels are for the reviewers of a team to see and to judge.

        Parameters
        ----------
        internal : whether these people are in no vendor's team
        """
        if self.review.team is not None:
            return team_id == self.review.team
        return internal or team_id == self.team


class ProjectDocument(Strict):
    """A project as one document: ontology, stages and policies over one or more datasets."""

    project: Slug
    datasets: Annotated[tuple[Slug, ...], Field(min_length=1)]
    ontology: Ontology
    stages: Annotated[tuple[StagePolicy, ...], Field(min_length=1, max_length=20)]
    priority: Annotated[int, Field(ge=0, le=100)] = 50

    @model_validator(mode="after")
    def _stages_are_unique(self) -> "ProjectDocument":
        names = [stage.name for stage in self.stages]
        if len(set(names)) != len(names):
            raise ValueError("two stages of the project have the same name")
        return self

    def stage(self, name: str) -> StagePolicy:
        """The policy of one stage; KeyError if the project has no such stage."""
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise KeyError(name)
