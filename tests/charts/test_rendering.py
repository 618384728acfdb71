"""Both majors of Helm render every installation, and every Kubernetes would know the objects."""

import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
from jsonschema import Draft202012Validator, ValidationError
from referencing import Registry, Resource

from tests.charts.custom_kinds import SPECS, schema_of
from tests.charts.rendering import (
    CHART,
    INSTALLATIONS,
    ROOT,
    STORES,
    HelmError,
    installation,
    render,
    run,
)

pytestmark = pytest.mark.long

KUBERNETES = ("1.31", "1.32", "1.33", "1.34", "1.35", "1.36", "1.37")
CUSTOM = {kind for _, kind in SPECS}
"""Kinds that Kubernetes itself does not have."""


@pytest.mark.parametrize("name", INSTALLATIONS)
@pytest.mark.parametrize("major", [3, 4])
def test_lint_finds_nothing(major: int, name: str) -> None:
    arguments: list[str | Path] = ["lint", "--strict", CHART]
    for file in INSTALLATIONS[name]:
        arguments += ["--values", file]
    assert "[WARNING]" not in run(major, *arguments)


@pytest.mark.parametrize("name", INSTALLATIONS)
def test_helm_3_and_4_render_the_same_objects(name: str) -> None:
    three, four = (
        {(one["kind"], one["metadata"]["name"]): one for one in installation(name, major).objects}
        for major in (3, 4)
    )
    assert three.keys() == four.keys()
    # the trial's keys are drawn anew each time
    assert {k: v for k, v in three.items() if k[0] != "Secret"} == {
        k: v for k, v in four.items() if k[0] != "Secret"
    }


@pytest.mark.parametrize("name", INSTALLATIONS)
@pytest.mark.parametrize("version", KUBERNETES)
def test_every_object_fits_kubernetes_own_schema(version: str, name: str) -> None:
    for one in installation(name).objects:
        if one["kind"] not in CUSTOM:
            _validator(version, one["kind"], one["apiVersion"]).validate(one)


def test_every_object_of_a_custom_kind_fits_what_its_owner_knows() -> None:
    seen = set()
    for name in INSTALLATIONS:
        for one in installation(name).of(*CUSTOM):
            validator = Draft202012Validator(schema_of(one["apiVersion"], one["kind"]))
            validator.validate(one)
            assert not validator.is_valid(one | {"spec": one["spec"] | {"selectr": {}}})
            seen.add(one["kind"])
    assert seen == CUSTOM


@cache
def _definitions(version: str) -> Resource[Any]:
    return Resource.from_contents(json.loads((_schemas(version) / "_definitions.json").read_text()))


@cache
def _validator(version: str, kind: str, api: str) -> Draft202012Validator:
    """What ``kubernetes_validate.validate`` makes anew for every object, which takes a second."""
    group = re.sub(r"^([^./]*)(\.[^/]*)?/", r"\1-", api)
    schema = json.loads((_schemas(version) / f"{kind.lower()}-{group}.json").read_text())
    registry = Resource.from_contents(schema) @ (_definitions(version) @ Registry())
    return Draft202012Validator(schema, registry=registry)


def _schemas(version: str) -> Path:
    package = Path(kubernetes_validate.__file__).parent
    return package / "kubernetes-json-schema" / f"v{version}.0-local-strict"


@pytest.mark.parametrize("name", INSTALLATIONS)
def test_no_two_objects_have_one_name(name: str) -> None:
    names = [(one["kind"], one["metadata"]["name"]) for one in installation(name).objects]
    assert len(names) == len(set(names))


def test_the_schemas_refuse_what_kubernetes_does_not_know() -> None:
    (one, *_) = installation("trial").of("Deployment")
    with pytest.raises(ValidationError, match="replica"):
        _validator("1.34", "Deployment", "apps/v1").validate(
            one | {"spec": one["spec"] | {"replica": 1}}
        )


@pytest.mark.parametrize(
    "misspelt",
    [
        {"imgae.tag": "1"},
        {"kafka.bootstraps": "kafka:9092"},
        {"process.replica": 2},
        {"services.review.serv": {}},
        {"services.review.serve.resource": {}},
        {"services.ingest.consume": {}},  # it takes in no events
        {"services.lineage.relay": {}},  # it sends none
        {"services.ingest.settings.maxPixel": 1},
        {"services.ingest.settings.uploads.partByte": 1},
        {"networkPolicy.kafka.to": [{"ipBlok": {"cidr": "10.0.0.0/8"}}]},
        {"process.tolerations": [{"effct": "NoSchedule"}]},
        {"trial.persistance": {}},
    ],
    ids=str,
)
@pytest.mark.parametrize("major", [3, 4])
def test_a_misspelt_value_fails(major: int, misspelt: dict[str, Any]) -> None:
    render([STORES], major=major)
    with pytest.raises(HelmError, match=r"(?i)additional propert"):
        render([STORES], misspelt, major)


@pytest.mark.parametrize(
    "wrong",
    [
        {"image.pullPolicy": "Sometimes"},
        {"process.replicas": -1},
        {"process.replicas": "two"},
        {"services.ingest.settings.maxPixels": 0},
        {"url": "wakeline.example.org"},
        {"podSecurityContext.runAsNonRoot": False},
        {"image.digests": {"review": "latest"}},
    ],
    ids=str,
)
def test_a_value_of_the_wrong_kind_fails(wrong: dict[str, Any]) -> None:
    with pytest.raises(HelmError, match="values don't meet the specifications"):
        render([STORES], wrong)


@pytest.mark.parametrize(
    ("without", "says"),
    [
        ({"kafka.bootstrap": ""}, "where does your Kafka answer"),
        ({"s3.endpoint": ""}, "where does your object store answer"),
        ({"auth.issuer": ""}, "whose tokens are accepted"),
        ({"auth.jwks": "{}"}, "exactly one of"),
        ({"networkPolicy.s3.to": []}, "networkPolicy.s3.to: who is it"),
        ({"networkPolicy.issuer.to": []}, "networkPolicy.issuer.to: who is it"),
    ],
    ids=str,
)
def test_what_is_missing_is_asked_for_in_words(without: dict[str, Any], says: str) -> None:
    with pytest.raises(HelmError, match=says):
        render([STORES], without)


def test_no_group_of_values_is_open() -> None:
    """But for an affinity, which Kubernetes checks, and what is meant for other charts."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    open_ones: list[str] = []

    def look(node: Any, path: str) -> None:
        if not isinstance(node, dict):
            return
        if node.get("type") == "object" and node.get("additionalProperties", True) is True:
            open_ones.append(path.rpartition("/")[2])
        for key, one in node.items():
            look(one, f"{path}/{key}")

    look(schema, "")
    assert set(open_ones) == {"affinity", "global"}


def test_a_processs_own_values_go_before_the_general_ones_even_if_they_are_nothing() -> None:
    values = {
        "process.autoscaling.enabled": True,
        "services.review.serve.autoscaling.enabled": False,
        "services.review.serve.replicas": 0,
        "services.review.serve.resources.requests.cpu": "2",
    }
    rendered = render([STORES], values)
    name = "acme-wakeline-review-serve"
    assert name not in {one["metadata"]["name"] for one in rendered.of("HorizontalPodAutoscaler")}
    spec = rendered.named("Deployment", name)["spec"]
    assert spec["replicas"] == 0
    (container,) = spec["template"]["spec"]["containers"]
    assert container["resources"]["requests"] == {"cpu": "2", "memory": "160Mi"}


def test_what_is_generated_is_up_to_date() -> None:
    check = [sys.executable, "-m", "charts.generate", "--check"]
    done = subprocess.run(check, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
