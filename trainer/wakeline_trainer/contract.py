"""The trainer contract: what comes in by environment and manifest, and how a run ends.

Any container that keeps to it can train for Wakeline; ``docs/reference`` has it in full.
"""

import json
from enum import IntEnum
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FilePath,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from wakeline_geometry.shapes import Annotation, Region
from wakeline_models.card import Kind


class Exit(IntEnum):
    """How a trainer ends."""

    DONE = 0
    FAILED = 1
    BAD_INPUT = 2
    TERMINATED = 143


class BadInputError(ValueError):
    """The run cannot succeed however often it is tried; the message is for people."""


class TerminatedError(Exception):
    """SIGTERM came, and what was learned so far is in a checkpoint."""


class S3Settings(BaseModel):
    """Where ``s3://`` URIs lead."""

    model_config = ConfigDict(frozen=True)

    endpoint: str
    """Host and port."""
    access_key: str
    secret_key: SecretStr
    secure: bool = True
    ca_file: FilePath | None = None
    """Authorities in PEM that may sign the store's certificate; None: the system's."""
    region: str = "us-east-1"
    path_style: bool | None = None
    """Whether a bucket's name stands in the path; None: as the endpoint needs it."""


class Parameters(BaseModel):
    """What the stage's training policy may set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    classes: Annotated[tuple[str, ...], Field(min_length=1)]
    seed: int = 0
    fresh: bool = False
    """Begin with nothing, even where an earlier run left its weights."""
    max_seconds: Annotated[float, Field(gt=0)] = 60
    """Wall time of the whole run, evaluation included."""
    threads: Annotated[int, Field(ge=1)] = 1
    steps: Annotated[int, Field(ge=1)] | None = None
    """This many steps instead of as many as the time allows: on the same kind of machine the model
    of a run that was ``stopped`` by its steps comes out again bit by bit."""
    save_every: Annotated[float, Field(ge=0)] = 10
    """Seconds between checkpoints."""
    scale: Annotated[float, Field(gt=0, le=8)] | None = None
    """Working pixels per image pixel, instead of what the objects' size asks for."""
    device: Literal["auto", "cpu", "cuda"] = "auto"

    @field_validator("classes")
    @classmethod
    def _are_unique(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) != len(names):
            raise ValueError("two classes have the same name")
        return names


class RunSettings(BaseSettings):
    """The environment of one attempt of a run: ``WAKELINE_RUN_ID`` and so on."""

    model_config = SettingsConfigDict(
        env_prefix="WAKELINE_", env_nested_delimiter="__", extra="ignore", frozen=True
    )

    run_id: str
    attempt: int
    dataset_uri: str
    output_uri: str
    checkpoint_uri: str
    base_uri: str | None = None
    """What an earlier run left: its weights are where this one begins, if they fit."""
    parameters: Parameters
    s3: S3Settings | None = None


class Asset(BaseModel):
    """One line of the manifest: an image, its split and its accepted annotations."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    asset_id: str
    image: str
    """URI of the image."""
    bands: dict[str, str] = Field(default_factory=dict)
    """URIs of further bands by name."""
    width: Annotated[int, Field(gt=0)]
    height: Annotated[int, Field(gt=0)]
    group: str = ""
    split: Literal["train", "holdout"]
    annotations: tuple[Annotation, ...] = ()
    focus_regions: tuple[Region, ...] = ()
    """Where people looked: what lies outside is not known; none: they looked everywhere."""

    @property
    def size(self) -> tuple[int, int]:
        """``(height, width)`` in pixels."""
        return self.height, self.width


def read_manifest(manifest: bytes) -> list[Asset]:
    """The assets of a dataset version, in the manifest's order.

    Raises
    ------
    BadInputError
        If a line is not an asset, an asset stands there twice, or nothing is there to train on.
    """
    assets = []
    for number, line in enumerate(manifest.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            assets.append(Asset.model_validate_json(line))
        except ValidationError as error:
            raise BadInputError(f"Line {number} of the manifest: {first_problem(error)}") from error
    if len({asset.asset_id for asset in assets}) < len(assets):
        raise BadInputError("The manifest holds an asset twice")
    if not any(asset.split == "train" for asset in assets):
        raise BadInputError("The manifest holds no asset to train on")
    return assets


def first_problem(error: ValidationError) -> str:
    """The first thing that a validation found wrong, in one line without the input itself."""
    problem = error.errors(include_input=False, include_url=False)[0]
    place = ".".join(str(part) for part in problem["loc"])
    return f"{place}: {problem['msg']}" if place else problem["msg"]


def json_line(value: object) -> str:
    """One line of JSON, the same for the same value."""
    return json.dumps(value, sort_keys=True) + "\n"
