"""Training runs, model versions and dataset versions."""

from collections.abc import Iterator
from typing import Any

from wakeline_sdk._sync.transport import Transport
from wakeline_sdk.models import DatasetVersion, ModelVersion, Run


class Runs:
    """Training runs."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def start(self, project_id: str, stage: str) -> Run:
        """Freeze a dataset version and train on it now."""
        body = {"project": project_id, "stage": stage}
        return Run.model_validate(self._transport.json("training", "POST", "/v1/runs", json=body))

    def get(self, run_id: str) -> Run:
        """One run with its progress."""
        return Run.model_validate(self._transport.json("training", "GET", f"/v1/runs/{run_id}"))

    def cancel(self, run_id: str) -> Run:
        """Stop a run."""
        return Run.model_validate(
            self._transport.json("training", "POST", f"/v1/runs/{run_id}/cancel")
        )

    def list(self, project_id: str, stage: str | None = None) -> Iterator[Run]:
        """The runs of a project."""
        wanted = {"project": project_id, "stage": stage}
        for item in self._transport.pages("training", "/v1/runs", wanted):
            yield Run.model_validate(item)


class Models:
    """Model versions: never their bytes."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, project_id: str, stage: str | None = None) -> Iterator[ModelVersion]:
        """The model versions of a project, with metrics and the gate's verdict."""
        wanted = {"project": project_id, "stage": stage}
        for item in self._transport.pages("training", "/v1/models", wanted):
            yield ModelVersion.model_validate(item)

    def get(self, model_version: str) -> ModelVersion:
        """One model version."""
        return ModelVersion.model_validate(
            self._transport.json("training", "GET", f"/v1/models/{model_version}")
        )

    def publish(
        self, model_version: str, *, force: bool = False, reason: str | None = None
    ) -> dict[str, Any]:
        """Let a model version serve; a blocked one only by force, with a reason."""
        body: dict[str, Any] = {"force": force}
        if reason is not None:
            body["reason"] = reason
        path = f"/v1/models/{model_version}/publish"
        answer: dict[str, Any] = self._transport.json("training", "POST", path, json=body)
        return answer

    def rollback(self, project_id: str, stage: str) -> dict[str, Any]:
        """Let the model before serve again, or the rules if there was none."""
        body = {"project": project_id, "stage": stage}
        answer: dict[str, Any] = self._transport.json(
            "training", "POST", "/v1/models/rollback", json=body
        )
        return answer


class DatasetVersions:
    """Frozen dataset versions."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, project_id: str, stage: str | None = None) -> Iterator[DatasetVersion]:
        """The dataset versions of a project."""
        wanted = {"project": project_id, "stage": stage}
        for item in self._transport.pages("training", "/v1/dataset-versions", wanted):
            yield DatasetVersion.model_validate(item)

    def manifest(self, dataset_version: str) -> Iterator[str]:
        """The manifest's JSON lines, as they come."""
        path = f"/v1/dataset-versions/{dataset_version}/manifest"
        with self._transport.lines("training", path) as lines:
            for line in lines:
                yield line
