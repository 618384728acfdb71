"""Files of shapes: COCO in and out, and predictions as JSON lines."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wakeline_sdk._sync.datasets import Assets, Datasets
from wakeline_sdk._sync.labeling import Labels
from wakeline_sdk._sync.pause import aside
from wakeline_sdk._sync.predictions import Predictions
from wakeline_sdk._sync.projects import Projects
from wakeline_sdk.coco import CocoWriter, Numbering
from wakeline_sdk.coco.importing import (
    LabelLines,
    Lines,
    Proposals,
    Truth,
    is_json_lines,
    names_assets_otherwise,
)
from wakeline_sdk.coco.joining import Join
from wakeline_sdk.models import ExportReport, ImportReport, LinesReport, Project, RefusedLine
from wakeline_sdk.ontology import Fitting, categories_for
from wakeline_sdk.shapes import Annotation

Tell = Callable[[int], None]
"""Called with the number of images that are done."""

_SHOWN = {"file_name", "width", "height", "asset_id"}
"""What an image of a COCO file says of its asset."""


class Exchange:
    """Files of shapes, read and written as streams: memory does not grow with their length."""

    def __init__(
        self,
        datasets: Datasets,
        assets: Assets,
        projects: Projects,
        labels: Labels,
        predictions: Predictions,
    ) -> None:
        self._datasets = datasets
        self._assets = assets
        self._projects = projects
        self._labels = labels
        self._predictions = predictions

    def export_coco(
        self,
        project_id: str,
        stage: str,
        out: Path,
        *,
        like: Path | None = None,
        compressed: bool = False,
        progress: Tell | None = None,
    ) -> ExportReport:
        """Write the accepted labels of a stage as a COCO file.

        Parameters
        ----------
        like
            A COCO file whose categories, licences, and entries of images of the same name are
            kept with their ids: what was imported comes out as it went in.
        compressed
            Whether masks are written as text (shorter) or as lists of run lengths.
        """
        project = self._projects.get(project_id)
        with Join() as known:
            if like is not None:
                aside(known.read, like, only=("info", "licenses", "images", "categories"))
            ids = Numbering(known.highest_image_id())
            with CocoWriter(
                out,
                categories_for(project.document["ontology"], known.categories),
                info=known.info or _info(project, stage),
                licenses=known.licenses,
                compressed=compressed,
            ) as writer:
                for label in self._labels.list(project_id, stage, "accepted"):
                    if label.accepted is None:
                        continue
                    asset = self._assets.get(label.asset.asset_id)
                    image = known.image_named(asset.file_name) or {"id": ids.take(None)}
                    own = asset.model_dump(include=_SHOWN)
                    writer.add({**own, **image}, label.accepted.annotations)
                    if progress is not None:
                        progress(writer.images)
        return ExportReport(
            images=writer.images, annotations=writer.annotations, left_out=writer.left_out
        )

    def import_benchmarks(
        self, project_id: str, stage: str, file: Path, *, progress: Tell | None = None
    ) -> ImportReport:
        """Make the shapes of a file the trusted labels of its images' assets.

        Parameters
        ----------
        file
            COCO, whose images are found by file name, or JSON lines of
            ``{"asset_id" | "file_name" | "digest": ..., "shapes": [...]}``. What the ontology
            cannot hold is left out of COCO and counted.

        Raises
        ------
        ValueError
            If the file is neither.
        """

        def send(truth: Iterable[tuple[str, Sequence[Annotation]]]) -> Iterator[LinesReport]:
            return self._projects.set_benchmark_lines(project_id, stage, truth)

        return self._import(project_id, file, send, progress)

    def import_labels(
        self,
        project_id: str,
        stage: str,
        file: Path,
        *,
        source: str,
        trusted: bool = False,
        progress: Tell | None = None,
    ) -> ImportReport:
        """Take in labels that were made before Wakeline, or elsewhere, from a file.

        ``file`` as for ``import_benchmarks``, the rest as for ``projects.import_labels``.

        Raises
        ------
        ValueError
            If the file is neither COCO nor JSON lines.
        """

        def send(labels: Iterable[tuple[str, Sequence[Annotation]]]) -> Iterator[LinesReport]:
            return self._projects.import_labels(
                project_id, stage, labels, source=source, trusted=trusted
            )

        return self._import(project_id, file, send, progress)

    def _import(
        self,
        project_id: str,
        file: Path,
        send: Callable[[Iterable[tuple[str, Sequence[Annotation]]]], Iterator[LinesReport]],
        progress: Tell | None,
    ) -> ImportReport:
        project = self._projects.get(project_id)
        fitting = Fitting(project.document["ontology"])
        with Join() as join:
            found: LabelLines | Truth
            if is_json_lines(file):
                if names_assets_otherwise(file):
                    self._add_assets(project, join)
                found = LabelLines(file, join, project.document["datasets"])
            else:
                self._add_assets(project, join)
                aside(join.read, file)
                found = Truth(join, fitting)
            stored, told = 0, dict[str, str]()
            for report in send(found):
                stored += report.stored
                told |= {_name(one): one.detail for one in report.refused}
                if progress is not None:
                    progress(report.lines)
        refused = {**found.refused, **told}
        return ImportReport(
            stored=stored, empty=found.empty, refused=refused, left_out=fitting.left_out
        )

    def upload_predictions(
        self,
        project_id: str,
        stage: str,
        file: Path,
        *,
        reference: Path | None = None,
        predictor: str = "external",
        version: str = "1",
        progress: Tell | None = None,
    ) -> ImportReport:
        """Upload predictions from a file.

        An image that the COCO files list is predicted, with no shape where they hold none, in place
        of what was uploaded for it before. An image that they do not list, or that no line names,
        keeps that.

        Parameters
        ----------
        file
            COCO results (a list), a whole COCO file, or JSON lines of
            ``{"asset_id" | "file_name" | "digest": ..., "shapes": [...]}``.
        reference
            The COCO file that says which images and categories the ids of results mean: list the
            images that the model has looked at, all of them and no others.

        Raises
        ------
        ValueError
            If the file is none of these.
        """
        project = self._projects.get(project_id)
        fitting = Fitting(project.document["ontology"])
        with Join() as join:
            found: Lines | Proposals
            if is_json_lines(file):
                if names_assets_otherwise(file):
                    self._add_assets(project, join)
                found = Lines(file, join, project.document["datasets"])
            else:
                self._add_assets(project, join)
                if reference is not None:
                    aside(join.read, reference, only=("images", "categories"))
                aside(join.read, file)
                found = Proposals(join, fitting)
            reports = self._predictions.upload_lines(
                project_id, stage, found, predictor=predictor, version=version
            )
            stored, told = 0, dict[str, str]()
            for report in reports:
                stored += report.stored
                told |= {_name(one): one.detail for one in report.refused}
                if progress is not None:
                    progress(report.lines)
        refused = {**found.refused, **told}
        return ImportReport(
            stored=stored, empty=found.empty, refused=refused, left_out=fitting.left_out
        )

    def _add_assets(self, project: Project, join: Join) -> None:
        for dataset_id in project.document["datasets"]:
            for asset in self._datasets.assets(dataset_id):
                join.add_asset(asset)


def _name(refused: RefusedLine) -> str:
    return refused.asset_id or f"line {refused.line}"


def _info(project: Project, stage: str) -> dict[str, Any]:
    return {
        "description": f"accepted labels of {project.project_id}/{stage}",
        "version": str(project.version),
        "date_created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
