"""What may stand in the chart's values: types and bounds. Defaults and words are in values.yaml."""

from importlib import import_module
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic.alias_generators import to_camel
from pydantic_settings import BaseSettings

from wakeline_auth import Role
from wakeline_events.base import ServiceName
from wakeline_events.registry import PRODUCERS
from wakeline_process import ServiceSettings
from wakeline_process.processes import Kind

SERVICES: tuple[str, ...] = get_args(ServiceName)
Labels = dict[str, str]
Name = Annotated[str, Field(pattern=r"^[a-zA-Z0-9.-]*$", max_length=253)]
Port = Annotated[int, Field(ge=1, le=65535)]
Quantity = Annotated[str, Field(pattern=r"^[0-9.]+([numkMGTPE]|[KMGTPE]i)?$")] | int
Duration = Annotated[str, Field(pattern=r"^P([0-9]+D)?(T([0-9]+H)?([0-9]+M)?([0-9]+S)?)?$")]
Url = Annotated[str, Field(pattern=r"^(https?://[^/]+)?$")]
"""Of a whole host: paths are the services' own."""
Address = Annotated[str, Field(pattern=r"^(https?://.+)?$")]


class Strict(BaseModel):
    """A group of values; one that it does not know fails the install."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel)


class Expression(Strict):
    key: str
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: list[str] = []


class Selector(Strict):
    match_labels: Labels = {}
    match_expressions: list[Expression] = []


class IpBlock(Strict):
    cidr: str
    except_: Annotated[list[str], Field(alias="except")] = []


class Peer(Strict):
    """As in a NetworkPolicy."""

    ip_block: IpBlock = None  # type: ignore[assignment]  # there or not, never null
    namespace_selector: Selector = None  # type: ignore[assignment]
    pod_selector: Selector = None  # type: ignore[assignment]


class Edge(Strict):
    to: list[Peer]
    ports: Annotated[list[Port], Field(min_length=1)]


class NetworkPolicy(Strict):
    enabled: bool
    ingress_from: list[Peer]
    metrics_from: list[Peer]
    dns: Edge
    mongodb: Edge
    kafka: Edge
    s3: Edge
    api_server: Edge
    issuer: Edge
    collector: Edge
    receivers: Edge
    image_hosts: Edge


class Image(Strict):
    registry: str
    repository: str
    tag: str
    digests: dict[
        Literal[(*SERVICES, "trainer", "trial")],  # type: ignore[valid-type]
        Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")],
    ]
    pull_policy: Literal["Always", "IfNotPresent", "Never"]
    pull_secrets: list[Name]


class ServiceOfKubernetes(Strict):
    type: Literal["ClusterIP", "NodePort"]
    annotations: Labels


class Ingress(Strict):
    enabled: bool
    class_name: Name
    annotations: Labels
    tls_secret_name: Name


class ParentRef(Strict):
    name: Name
    namespace: Name = ""
    section_name: Name = ""


class Gateway(Strict):
    enabled: bool
    parent_refs: list[ParentRef]


class MongodbSecret(Strict):
    name: Name
    dsn_key: str
    username_key: str
    password_key: str


class Authority(Strict):
    """A file of certificates in PEM."""

    kind: Literal["secret", "configMap"]
    name: Name
    key: str


class Mongodb(Strict):
    dsn: Annotated[str, Field(pattern=r"^(mongodb(\+srv)?://.*)?$")]
    database_prefix: Annotated[str, Field(pattern=r"^[a-z0-9_-]*$")]
    secret: MongodbSecret
    ca: Authority


class KafkaSecret(Strict):
    name: Name
    password_key: str
    cert_key: str
    private_key_key: str


class Kafka(Strict):
    bootstrap: str
    topic_prefix: Annotated[str, Field(pattern=r"^[a-zA-Z0-9._-]+$")]
    partitions: Annotated[int, Field(ge=1)]
    replication: Annotated[int, Field(ge=1)]
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
    username: str
    secret: KafkaSecret
    ca: Authority


class S3Secret(Strict):
    name: Name
    access_key_key: str
    secret_key_key: str


class S3(Strict):
    endpoint: Annotated[str, Field(pattern=r"^([A-Za-z0-9.-]+(:[0-9]+)?)?$")]
    secure: bool
    region: str
    prefix: Annotated[str, Field(pattern=r"^[a-z0-9-]*$", max_length=40)]
    path_style: bool | None = None
    secret: S3Secret
    ca: Authority


class WebhooksSecret(Strict):
    name: Name
    keys_key: str


class Webhooks(Strict):
    secret: WebhooksSecret


class Auth(Strict):
    issuer: str
    audience: str
    jwks_url: Address
    jwks: str
    ca: Authority
    roles_claim: str
    roles: dict[str, Role]
    team_claim: str


class Telemetry(Strict):
    otlp_endpoint: Address
    sample: Annotated[float, Field(ge=0, le=1)]
    trace_commands: bool
    log_json: bool


class PodMonitor(Strict):
    enabled: bool
    labels: Labels
    interval: Annotated[str, Field(pattern=r"^[0-9]+(s|m)$")]


class PrometheusRule(Strict):
    enabled: bool
    labels: Labels
    runbook_base: str


class Dashboard(Strict):
    enabled: bool
    labels: Labels


class Metrics(Strict):
    pod_monitor: PodMonitor
    prometheus_rule: PrometheusRule
    dashboard: Dashboard


class SeccompProfile(Strict):
    type: Literal["RuntimeDefault", "Localhost"]
    localhost_profile: str = ""


class PodSecurityContext(Strict):
    """Numbers may be null: OpenShift gives them itself."""

    run_as_non_root: Literal[True]
    run_as_user: Annotated[int, Field(ge=1)] | None = None
    run_as_group: Annotated[int, Field(ge=1)] | None = None
    fs_group: Annotated[int, Field(ge=1)] | None = None
    seccomp_profile: SeccompProfile


class PriorityClasses(Strict):
    create: bool
    labeling: Name
    training: Name


class Toleration(Strict):
    key: str = ""
    operator: Literal["Exists", "Equal"] = "Equal"
    value: str = ""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] = "NoSchedule"
    toleration_seconds: int = 0


class Resources(Strict):
    requests: dict[str, Quantity] = {}
    limits: dict[str, Quantity] = {}


class Autoscaling(Strict):
    enabled: bool = False
    min_replicas: Annotated[int, Field(ge=1)] = 1
    max_replicas: Annotated[int, Field(ge=1)] = 1
    target_cpu_utilization_percentage: Annotated[
        int, Field(ge=1, le=100, alias="targetCPUUtilizationPercentage")
    ] = 70
    target_lag: Annotated[int, Field(ge=1)] = 1


class Process(Strict):
    replicas: Annotated[int, Field(ge=0)] = 1
    scratch: Quantity = "1Gi"
    pod_labels: Labels = {}
    pod_annotations: Labels = {}
    node_selector: Labels = {}
    tolerations: list[Toleration] = []
    affinity: dict[str, Any] = {}
    runtime_class_name: Name = ""
    resources: Resources = Resources()
    autoscaling: Autoscaling = Autoscaling()


class Check(Strict):
    active_deadline_seconds: Annotated[int, Field(ge=30)]


class Trainer(Strict):
    secret: S3Secret
    resources: Resources
    scratch: Quantity
    shared_memory: Quantity | Literal[""]
    patience: Duration
    kept: Duration
    node_selector: Labels
    tolerations: list[Toleration]
    affinity: dict[str, Any]
    runtime_class_name: Name


class Persistence(Strict):
    size: Quantity
    storage_class_name: Name
    when_deleted: Literal["Delete", "Retain"]


class Trial(Strict):
    enabled: bool
    persistence: Persistence
    resources: Resources


def kinds_of(service: str) -> tuple[str, ...]:
    """The kinds of process of a service: with handlers it consumes, what it publishes it relays."""
    lacks = set()
    if import_module(f"wakeline_{service}.handlers").handlers is None:
        lacks.add("consume")
    if service not in PRODUCERS:
        lacks.add("relay")
    return tuple(kind for kind in Kind if kind not in lacks)


def _group(name: str, fields: dict[str, Any]) -> type[BaseModel]:
    return create_model(name, __base__=Strict, **fields)


def _own_settings(service: str) -> type[BaseModel]:
    """A model of the settings that only this service has; all may be left out."""
    known: type[BaseSettings] = import_module(f"wakeline_{service}.settings").Settings
    own = {
        name: (field.annotation, field)
        for name, field in known.model_fields.items()
        if name not in ServiceSettings.model_fields
    }
    return _group(f"{service.title()}Settings", own)


def _service(service: str) -> type[BaseModel]:
    fields: dict[str, Any] = {"settings": (_own_settings(service), ...)}
    fields["node_port"] = (Port | None, None)
    fields |= dict.fromkeys(kinds_of(service), (Process, ...))
    return _group(service.title(), fields)


Services = _group("Services", {name: (_service(name), ...) for name in SERVICES})
Urls = _group("Urls", dict.fromkeys(SERVICES, (Url, "")))


class Values(Strict):
    """All of them."""

    fullname_override: Annotated[str, Field(pattern=r"^[a-z0-9-]*$", max_length=30)]
    common_labels: Labels
    image: Image
    url: Url
    urls: Urls  # type: ignore[valid-type]
    service: ServiceOfKubernetes
    ingress: Ingress
    gateway: Gateway
    mongodb: Mongodb
    kafka: Kafka
    s3: S3
    auth: Auth
    webhooks: Webhooks
    telemetry: Telemetry
    metrics: Metrics
    network_policy: NetworkPolicy
    pod_security_context: PodSecurityContext
    priority_classes: PriorityClasses
    split: bool
    process: Process
    lag_metrics: Literal["keda", "external"]
    services: Services  # type: ignore[valid-type]
    check: Check
    trainer: Trainer
    trial: Trial
    globals_: Annotated[dict[str, Any], Field(alias="global")] = {}
