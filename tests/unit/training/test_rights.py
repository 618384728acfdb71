"""What ``check`` asks of the API of Kubernetes where trainers are Jobs."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from wakeline_embedded.ports import free_port
from wakeline_training.launching.jobs import JobLauncher
from wakeline_training.launching.rights import Right, access_review, missing, rights_of
from wakeline_training.settings import JobLaunch, TrainerSettings


def launch(**own: Any) -> JobLaunch:
    return JobLaunch(image="trainer:1", store_secret="s3", **own)


def test_a_right_below_a_resource_is_asked_for_apart() -> None:
    asked = access_review(Right("", "pods/log", "get"), "labels")["spec"]["resourceAttributes"]
    assert asked == {
        "namespace": "labels",
        "group": "",
        "resource": "pods",
        "subresource": "log",
        "verb": "get",
        "name": "",
    }


def test_the_owner_of_the_jobs_is_asked_for_by_its_name_where_there_is_one() -> None:
    owned = set(rights_of(launch(owner="training-run"))) - set(rights_of(launch()))
    assert owned == {Right("apps", "deployments", "get", "training-run")}


def test_a_missing_right_is_told_with_what_to_do_about_it() -> None:
    assert missing(Right("batch", "jobs", "create"), "runner", "labels") == (
        "Kubernetes user 'runner' may not create jobs.batch in namespace 'labels': "
        "add a Role that allows it"
    )


async def test_a_process_without_a_token_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    (reason,) = await JobLauncher(TrainerSettings(), launch()).lacking()
    assert reason.startswith("this process has no way to the Kubernetes API: ")


async def test_an_api_server_that_is_away_is_told(tmp_path: Path) -> None:
    known = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "a",
        "clusters": [{"name": "a", "cluster": {"server": f"https://127.0.0.1:{free_port()}"}}],
        "users": [{"name": "a", "user": {"token": "t"}}],
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a", "namespace": "a"}}],
    }
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(known))
    there = launch(kubeconfig=kubeconfig, namespace="labels")
    (reason,) = await JobLauncher(TrainerSettings(), there).lacking()
    assert reason.startswith("the Kubernetes API does not answer: ")
