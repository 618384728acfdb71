"""What a cluster's rules ask of every pod: restricted, bounded, probed, and without a token."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.charts.rendering import CHART, INSTALLATIONS, Rendered, installation
from wakeline_storage import ANSWER_WITHIN
from wakeline_training.launching.rights import Right, rights_of
from wakeline_training.settings import JobLaunch

HTTP_GRACE = 10
"""Seconds that uvicorn gives requests in hand (wakeline_process.processes)."""


@pytest.fixture(params=INSTALLATIONS)
def rendered(request: pytest.FixtureRequest) -> Rendered:
    return installation(request.param)


def _containers(rendered: Rendered) -> Iterator[tuple[str, dict[str, Any]]]:
    for what, pod in rendered.pods():
        spec = pod["spec"]
        for container in [*spec.get("initContainers", []), *spec["containers"]]:
            yield f"{what}: {container['name']}", container


def test_every_pod_meets_the_restricted_standard(rendered: Rendered) -> None:
    for what, pod in rendered.pods():
        spec = pod["spec"]
        context = spec["securityContext"]
        assert context["runAsNonRoot"] is True, what
        assert context["runAsUser"] > 0, what
        assert context["seccompProfile"]["type"] == "RuntimeDefault", what
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys(), what
        allowed = {"emptyDir", "secret", "configMap", "projected", "persistentVolumeClaim"}
        for volume in spec.get("volumes", []):
            assert volume.keys() - {"name"} <= allowed, what
    for what, container in _containers(rendered):
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False, what
        assert context["capabilities"] == {"drop": ["ALL"]}, what
        assert context.get("privileged", False) is False, what
        assert not any("hostPort" in port for port in container.get("ports", [])), what


def test_every_root_is_read_only_and_what_is_written_is_bounded(rendered: Rendered) -> None:
    for what, container in _containers(rendered):
        assert container["securityContext"]["readOnlyRootFilesystem"] is True, what
    for what, pod in rendered.pods():
        for volume in pod["spec"].get("volumes", []):
            if "emptyDir" in volume:
                assert volume["emptyDir"]["sizeLimit"], what


def test_every_container_says_what_it_needs_and_where_its_memory_ends(rendered: Rendered) -> None:
    for what, container in _containers(rendered):
        resources = container["resources"]
        assert resources["requests"].keys() >= {"cpu", "memory"}, what
        assert "memory" in resources["limits"], what
        # A CPU limit slows down what other pods would not have used.
        assert "cpu" not in resources["limits"], what


def test_every_image_has_a_version_and_stands_in_the_list(rendered: Rendered) -> None:
    listed = set((CHART / "images.txt").read_text().split())
    for what, container in _containers(rendered):
        image = container["image"].rpartition("/")[2]
        assert image.partition(":")[2] not in ("", "latest"), what
        assert image in listed, what
        assert container["imagePullPolicy"] == "IfNotPresent", what


def test_only_the_runner_of_training_and_its_check_have_a_token(rendered: Rendered) -> None:
    (binding,) = rendered.of("RoleBinding")
    (allowed,) = binding["subjects"]
    for what, pod in rendered.pods():
        labels = pod["metadata"]["labels"]
        runs = labels.get("wakeline.io/process") in ("run", "all", "check")
        runner = runs and labels["app.kubernetes.io/component"] == "training"
        assert pod["spec"]["automountServiceAccountToken"] is runner, what
        assert (pod["spec"]["serviceAccountName"] == allowed["name"]) is runner, what
    for account in rendered.of("ServiceAccount"):
        assert account["automountServiceAccountToken"] is False


def test_only_the_runner_of_training_may_do_anything_and_only_in_its_namespace(
    rendered: Rendered,
) -> None:
    assert rendered.of("ClusterRole", "ClusterRoleBinding") == []
    (role,) = rendered.of("Role")
    (binding,) = rendered.of("RoleBinding")
    (subject,) = binding["subjects"]
    assert subject["name"].removeprefix("acme-wakeline-") in ("training-run", "training-all")
    assert subject["namespace"] == "labels"
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    given = {
        Right(group, resource, verb, name)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        for name in rule.get("resourceNames", [None])
    }
    launch = JobLaunch(image="trainer", store_secret="s3", owner=subject["name"])
    assert given == set(rights_of(launch))


def test_every_process_has_a_service_account_of_its_own(rendered: Rendered) -> None:
    accounts = [
        pod["spec"]["serviceAccountName"]
        for what, pod in rendered.pods()
        if what.startswith(("Deployment", "StatefulSet"))
    ]
    assert len(accounts) == len(set(accounts))
    there = {one["metadata"]["name"] for one in rendered.of("ServiceAccount")}
    assert set(accounts) <= there


def test_probes_ask_named_ports(rendered: Rendered) -> None:
    for one in rendered.of("Deployment", "StatefulSet"):
        for container in one["spec"]["template"]["spec"]["containers"]:
            names = {port["name"] for port in container["ports"]}
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                assert container[probe]["httpGet"]["port"] in names, one["metadata"]["name"]


def test_a_process_gets_longer_to_end_than_it_may_take(rendered: Rendered) -> None:
    transaction = ANSWER_WITHIN.total_seconds()
    for one in rendered.of("Deployment"):
        spec = one["spec"]["template"]["spec"]
        container = spec["containers"][0]
        sleeps = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {})
        own = HTTP_GRACE if container["name"] == "serve" else transaction
        needed = sleeps.get("seconds", 0) + own
        assert spec["terminationGracePeriodSeconds"] > needed, one["metadata"]["name"]


def test_drains_go_on_and_take_one_at_a_time(rendered: Rendered) -> None:
    budgets = {one["metadata"]["name"]: one["spec"] for one in rendered.of("PodDisruptionBudget")}
    for one in rendered.of("Deployment"):
        budget = budgets[one["metadata"]["name"]]
        assert budget["maxUnavailable"] == 1
        assert budget["selector"] == one["spec"]["selector"]


def test_replicas_spread_over_zones_and_nodes(rendered: Rendered) -> None:
    for one in rendered.of("Deployment"):
        spread = one["spec"]["template"]["spec"]["topologySpreadConstraints"]
        assert [each["topologyKey"] for each in spread] == [
            "topology.kubernetes.io/zone",
            "kubernetes.io/hostname",
        ]
        for each in spread:
            assert each["labelSelector"] == one["spec"]["selector"]


def test_people_come_before_training(rendered: Rendered) -> None:
    values = {one["metadata"]["name"]: one["value"] for one in rendered.of("PriorityClass")}
    # Of the cluster, so of a namespace by their names: a second installation has its own.
    names = [f"labels-acme-wakeline-{of}" for of in ("labeling", "training")]
    assert values[names[0]] > values[names[1]]
    training = rendered.named("PriorityClass", names[1])
    assert training["preemptionPolicy"] == "Never"
    for one in rendered.of("Deployment"):
        assert one["spec"]["template"]["spec"]["priorityClassName"] in values
