"""What a release meets beside its pods: clients, Prometheus, autoscalers, migrations, images."""

import json
from typing import Any

import pytest
import yaml

from tests.charts.rendering import CHART, ROOT, STORES, HelmError, Rendered, installation, render
from tests.contract.services import SERVICES, operations_of

PROFILES = ("small", "medium", "large")
MONITORED = CHART / "examples" / "monitoring.yaml"


def _routed(rendered: Rendered) -> dict[str, str]:
    """Path prefix -> service, by the ingress."""
    (ingress,) = rendered.of("Ingress")
    (rule,) = ingress["spec"]["rules"]
    return {
        path["path"]: path["backend"]["service"]["name"].removeprefix("acme-wakeline-")
        for path in rule["http"]["paths"]
    }


def _below(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(f"{prefix}/")


async def test_the_ingress_leads_every_route_to_the_service_that_has_it() -> None:
    routed = _routed(installation("own-stores"))
    for service in SERVICES:
        for _, path in await operations_of(service):
            if path == "/v1/services":
                continue  # every service has it
            assert [to for prefix, to in routed.items() if _below(path, prefix)] == [service], path
    assert routed["/v1/services"] == "labeling"


def test_a_route_of_the_gateway_api_leads_to_the_same() -> None:
    (route,) = installation("operators").of("HTTPRoute")
    by_gateway = {
        match["path"]["value"]: backend["name"].removeprefix("acme-wakeline-")
        for rule in route["spec"]["rules"]
        for match in rule["matches"]
        for backend in rule["backendRefs"]
    }
    assert by_gateway == _routed(installation("own-stores"))
    assert route["spec"]["hostnames"] == ["wakeline.example.org"]


def test_health_and_metrics_are_not_reached_through_the_ingress() -> None:
    for prefix in _routed(installation("own-stores")):
        assert prefix.startswith("/v1/")


def _told(rendered: Rendered) -> dict[str, str]:
    deployment = rendered.of("Deployment")[0]
    env = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
    told: dict[str, str] = json.loads(
        next(one["value"] for one in env if one["name"].endswith("_SERVICES"))
    )
    return told


def test_clients_are_told_the_address_that_they_reach() -> None:
    one = dict.fromkeys(SERVICES, "https://wakeline.example.org")
    assert _told(installation("own-stores")) == one
    own = {"urls.review": "http://127.0.0.1:21703"}
    assert _told(render([STORES], own)) == one | {"review": "http://127.0.0.1:21703"}
    assert _told(installation("trial"))["review"] == "http://acme-wakeline-review.labels:8080"


def test_node_ports_are_those_asked_for() -> None:
    ports = {f"services.{name}.nodePort": 30_801 + n for n, name in enumerate(SERVICES)}
    rendered = render([STORES], {"service.type": "NodePort", **ports})
    assert [
        rendered.named("Service", f"acme-wakeline-{name}")["spec"]["ports"][0]["nodePort"]
        for name in SERVICES
    ] == list(ports.values())


def test_every_process_is_scraped_with_the_labels_that_the_alerts_know() -> None:
    rendered = installation("operators")
    (monitor,) = rendered.of("PodMonitor")
    (expression,) = monitor["spec"]["selector"]["matchExpressions"]
    for deployment in rendered.of("Deployment"):
        template = deployment["spec"]["template"]
        assert template["metadata"]["labels"]["wakeline.io/process"] in expression["values"]
        ports = [port["name"] for port in template["spec"]["containers"][0]["ports"]]
        assert monitor["spec"]["podMetricsEndpoints"][0]["port"] in ports
    set_by = {
        one["targetLabel"] for one in monitor["spec"]["podMetricsEndpoints"][0]["relabelings"]
    }
    assert set_by >= {"job", "service"}


def test_alerts_and_dashboard_are_the_repositorys_own() -> None:
    rendered = installation("operators")
    (rule,) = rendered.of("PrometheusRule")
    rules = (ROOT / "observability" / "alerts.yml").read_text()
    based = rules.replace("runbook_url: ", "runbook_url: https://wiki.example.org/wakeline/")
    assert rule["spec"] == yaml.safe_load(based)
    (dashboard,) = rendered.of("ConfigMap")
    shown = json.loads(dashboard["data"]["wakeline.json"])
    assert shown == json.loads((ROOT / "observability" / "dashboard.json").read_text())


def test_whoever_scales_counts_replicas_alone() -> None:
    rendered = installation("large")
    scaled = {
        one["spec"]["scaleTargetRef"]["name"]
        for one in rendered.of("HorizontalPodAutoscaler", "ScaledObject")
    }
    assert scaled
    for one in rendered.of("Deployment"):
        assert ("replicas" in one["spec"]) is (one["metadata"]["name"] not in scaled)


def test_apis_scale_on_cpu_and_consumers_on_lag_up_to_their_partitions() -> None:
    everything = {"process.autoscaling.enabled": True, "process.autoscaling.maxReplicas": 6}
    rendered = render([STORES], everything)
    for one in rendered.of("HorizontalPodAutoscaler"):
        (metric,) = one["spec"]["metrics"]
        assert metric["resource"]["name"] == "cpu", one["metadata"]["name"]
    assert [one["metadata"]["name"].rpartition("-")[2] for one in rendered.of("ScaledObject")] == [
        "consume"
    ] * 5
    external = render([STORES], {**everything, "lagMetrics": "external"})
    assert external.of("ScaledObject") == []
    lag = [
        one["spec"]["metrics"][0]["external"]
        for one in external.of("HorizontalPodAutoscaler")
        if one["metadata"]["name"].endswith("consume")
    ]
    assert {one["metric"]["name"] for one in lag} == {"wakeline_consumer_lag"}
    assert not any("relay" in one["metadata"]["name"] for one in rendered.of("ScaledObject"))


@pytest.mark.parametrize(
    ("example", "parameters"),
    [
        ("strimzi", {"password": "password", "ca": "ca.crt"}),
        ("strimzi-tls", {"cert": "user.crt", "key": "user.key", "ca": "ca.crt"}),
    ],
)
def test_who_measures_the_lag_logs_in_as_the_consumer_does(
    example: str, parameters: dict[str, str]
) -> None:
    scaled = {"services.review.consume.autoscaling": {"enabled": True}}
    rendered = render([STORES, CHART / "examples" / f"{example}.yaml"], scaled)
    (scaler,) = rendered.of("ScaledObject")
    (trigger,) = scaler["spec"]["triggers"]
    spec = rendered.named("TriggerAuthentication", trigger["authenticationRef"]["name"])["spec"]
    assert {one["parameter"]: one["key"] for one in spec["secretTargetRef"]} == parameters
    assert {one["name"] for one in spec["secretTargetRef"]} == {
        "wakeline-review",
        "acme-cluster-ca-cert",
    }
    assert trigger["metadata"]["tls"] == "enable"
    deployment = rendered.named("Deployment", scaler["spec"]["scaleTargetRef"]["name"])
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    told = {one["name"]: one["value"] for one in container["env"]}
    for one in spec.get("env", []):
        assert one["parameter"] == "username"
        assert told[one["name"]] == "wakeline-review"
    assert ("sasl" in trigger["metadata"]) is ("password" in parameters) is ("env" in spec)


@pytest.mark.parametrize("name", PROFILES)
def test_no_profile_has_more_consumers_than_partitions(name: str) -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    profile = yaml.safe_load((CHART / "profiles" / f"{name}.yaml").read_text())
    partitions = profile.get("kafka", {}).get("partitions", values["kafka"]["partitions"])
    for service in profile.get("services", {}).values():
        consume: dict[str, Any] = service.get("consume", {})
        most = consume.get("autoscaling", {}).get("maxReplicas", consume.get("replicas", 1))
        assert most <= partitions


def test_a_migration_stands_before_an_install_an_upgrade_and_a_rollback() -> None:
    (job,) = installation("own-stores").of("Job")
    hooks = job["metadata"]["annotations"]["helm.sh/hook"].split(",")
    assert hooks == ["pre-install", "pre-upgrade", "pre-rollback"]
    containers = job["spec"]["template"]["spec"]["containers"]
    assert {one["name"]: one["args"] for one in containers} == {
        name: ["migrate"] for name in SERVICES
    }


def test_the_trials_first_migration_comes_with_its_stores() -> None:
    jobs = {one["metadata"]["name"]: one for one in installation("trial").of("Job")}
    hooks = jobs["acme-wakeline-migrate"]["metadata"]["annotations"]["helm.sh/hook"]
    assert hooks == "pre-upgrade,pre-rollback"
    assert "annotations" not in jobs["acme-wakeline-first-migrate"]["metadata"]


def test_every_service_checks_itself_in_helm_test() -> None:
    pods = installation("own-stores").of("Pod")
    assert {one["metadata"]["labels"]["app.kubernetes.io/component"] for one in pods} == {*SERVICES}
    for one in pods:
        assert one["metadata"]["annotations"]["helm.sh/hook"] == "test"
        assert one["spec"]["containers"][0]["args"] == ["check"]


def test_a_mirror_is_the_only_registry_that_is_asked() -> None:
    rendered = installation("operators")
    for what, pod in rendered.pods():
        assert pod["spec"]["imagePullSecrets"] == [{"name": "registry-credential"}], what
        for container in pod["spec"]["containers"]:
            assert container["image"].startswith("registry.example.org/mirror/wakeline-"), what


def test_a_digest_goes_before_a_tag() -> None:
    digest = f"sha256:{'a' * 64}"
    rendered = render([STORES], {"image.digests": {"review": digest}})
    images = {
        container["image"] for _, pod in rendered.pods() for container in pod["spec"]["containers"]
    }
    assert f"wakeline-review@{digest}" in images
    assert "wakeline-labeling:0.1.0" in images


def test_authorities_lie_where_the_settings_say() -> None:
    rendered = installation("operators")
    spec = rendered.named("Deployment", "acme-wakeline-review-serve")["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    (mount,) = [one for one in container["volumeMounts"] if one["name"] == "ca"]
    (volume,) = [one for one in spec["volumes"] if one["name"] == "ca"]
    files = {
        f"{mount['mountPath']}/{item['path']}"
        for source in volume["projected"]["sources"]
        for kind in source.values()
        for item in kind["items"]
    }
    named = {one["value"] for one in container["env"] if one["name"].endswith("__CA_FILE")}
    assert named == files
    assert len(files) == 2


def test_an_authority_of_the_object_store_must_be_one_that_trainers_can_read() -> None:
    with pytest.raises(HelmError, match="configMap"):
        render([STORES], {"s3.ca": {"kind": "secret", "name": "ca", "key": "ca.crt"}})


def test_the_trials_keys_are_one_for_each_service() -> None:
    (secret,) = installation("trial").of("Secret")
    held = secret["stringData"]
    identities = json.loads(held["secrets.json"])
    assert identities.keys() == {*SERVICES, "admin"}
    for name, keys in identities.items():
        assert held[f"{name}-access-key"] == keys["access"]
        assert held[f"{name}-secret-key"] == keys["secret"]
    assert len({keys["secret"] for keys in identities.values()}) == len(identities)


def test_skaffold_builds_every_image_of_a_release() -> None:
    artifacts = yaml.safe_load((ROOT / "skaffold.yaml").read_text())["build"]["artifacts"]
    listed = {line.partition(":")[0] for line in (CHART / "images.txt").read_text().split()}
    assert {one["image"] for one in artifacts} == listed
    for one in artifacts:
        assert one["image"] == f"wakeline-{one['docker']['target']}"
