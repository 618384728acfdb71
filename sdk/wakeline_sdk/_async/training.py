"""Training runs, model versions and dataset versions."""

from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from wakeline_sdk._async.transport import AsyncTransport
from wakeline_sdk.models import DatasetVersion, ExportedFile, ModelVersion, Run, Serving
from wakeline_sdk.paths import path


class AsyncRuns:
    """Training runs."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def start(
        self, project_id: str, stage: str, parameters: Mapping[str, Any] | None = None
    ) -> Run:
        """Freeze a dataset version and train on it now.

        Parameters
        ----------
        parameters
            For the trainer, on top of the stage's policy: a seed, say.

        Raises
        ------
        ConflictError
            If a run of the stage has not ended, or the stage is not one that is trained.
        """
        body = {"project": project_id, "stage": stage, "parameters": dict(parameters or {})}
        return Run.model_validate(
            await self._transport.json("training", "POST", "/v1/runs", json=body)
        )

    async def get(self, run_id: str) -> Run:
        """One run with its progress."""
        where = path("/v1/runs/{}", run_id)
        return Run.model_validate(await self._transport.json("training", "GET", where))

    async def log(self, run_id: str, attempt: int | None = None) -> str:
        """What the trainer said in an attempt; in the current one if none is named."""
        wanted = {} if attempt is None else {"attempt": attempt}
        where = path("/v1/runs/{}/log", run_id)
        return (await self._transport.bytes("training", where, wanted)).decode(errors="replace")

    async def cancel(self, run_id: str) -> Run:
        """Stop a run."""
        where = path("/v1/runs/{}/cancel", run_id)
        return Run.model_validate(await self._transport.json("training", "POST", where))

    async def list(
        self, project_id: str | None = None, stage: str | None = None
    ) -> AsyncIterator[Run]:
        """The runs of a project, newest first."""
        wanted = {"project": project_id, "stage": stage}
        async for item in self._transport.pages("training", "/v1/runs", wanted):
            yield Run.model_validate(item)


class AsyncModels:
    """Model versions: never their bytes."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def list(
        self, project_id: str | None = None, stage: str | None = None
    ) -> AsyncIterator[ModelVersion]:
        """The model versions of a project, with metrics and the gate's verdict, newest first."""
        wanted = {"project": project_id, "stage": stage}
        async for item in self._transport.pages("training", "/v1/models", wanted):
            yield ModelVersion.model_validate(item)

    async def get(self, model_version: str) -> ModelVersion:
        """One model version."""
        where = path("/v1/models/{}", model_version)
        return ModelVersion.model_validate(await self._transport.json("training", "GET", where))

    async def publish(
        self, model_version: str, *, force: bool = False, reason: str | None = None
    ) -> Serving:
        """Let a model version serve; a blocked one only by force, with a reason."""
        body: dict[str, Any] = {"force": force}
        if reason is not None:
            body["reason"] = reason
        where = path("/v1/models/{}/publish", model_version)
        return Serving.model_validate(
            await self._transport.json("training", "POST", where, json=body)
        )

    async def rollback(self, project_id: str, stage: str) -> Serving:
        """Let the model before serve again, or the stage's other predictors if there was none."""
        body = {"project": project_id, "stage": stage}
        return Serving.model_validate(
            await self._transport.json("training", "POST", "/v1/models/rollback", json=body)
        )


class AsyncDatasetVersions:
    """Frozen dataset versions."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def list(
        self, project_id: str | None = None, stage: str | None = None
    ) -> AsyncIterator[DatasetVersion]:
        """The dataset versions of a project, newest first."""
        wanted = {"project": project_id, "stage": stage}
        async for item in self._transport.pages("training", "/v1/dataset-versions", wanted):
            yield DatasetVersion.model_validate(item)

    async def get(self, dataset_version: str) -> DatasetVersion:
        """One dataset version with its splits."""
        where = path("/v1/dataset-versions/{}", dataset_version)
        return DatasetVersion.model_validate(await self._transport.json("training", "GET", where))

    async def manifest(self, dataset_version: str) -> AsyncIterator[str]:
        """The manifest's JSON lines, one an asset, as they come."""
        where = path("/v1/dataset-versions/{}/manifest", dataset_version)
        async with self._transport.lines("training", where) as lines:
            async for line in lines:
                yield line

    async def export(
        self,
        dataset_version: str,
        out: Path,
        *,
        format: Literal["coco", "jsonl"] = "coco",
        split: str | None = None,
        compressed: bool = False,
        progress: Callable[[int], None] | None = None,
    ) -> ExportedFile:
        """Write a dataset version into a file, however long it is.

        Parameters
        ----------
        format
            ``coco``, or ``jsonl``: the manifest, whose SHA-256 is the version's name.
        split
            ``train`` or ``holdout`` alone; of COCO only. Ids are those of the whole.
        compressed
            Whether COCO's masks are text (shorter) or lists of run lengths.
        progress
            Called with the number of bytes so far.
        """
        if format == "jsonl":
            where = path("/v1/dataset-versions/{}/manifest", dataset_version)
            return await self._transport.download("training", where, {}, out, progress)
        asked = {"split": split, "compressed": compressed or None}
        where = path("/v1/dataset-versions/{}/coco", dataset_version)
        return await self._transport.download("training", where, asked, out, progress)
