"""Strict schemas of what the chart uses of kinds that Kubernetes itself does not have.

They say less than their owners' own (KEDA 2.16, prometheus-operator 0.80, Gateway API 1.2): what
is not here the chart has no need of, and a misspelt field is one that is not here.
"""

from typing import Any

Schema = dict[str, Any]


def _of(required: Schema, optional: Schema | None = None) -> Schema:
    """An object of exactly these fields."""
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": False,
    }


def _list(items: Schema, least: int = 1, most: int = 1_000) -> Schema:
    return {"type": "array", "items": items, "minItems": least, "maxItems": most}


def _map(values: Schema, names: str = ".+") -> Schema:
    return {"type": "object", "patternProperties": {names: values}, "additionalProperties": False}


TEXT: Schema = {"type": "string", "minLength": 1}
COUNT: Schema = {"type": "integer", "minimum": 0}
NAME: Schema = {
    "type": "string",
    "pattern": r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
    "maxLength": 253,
}
LABEL: Schema = {
    "type": "string",
    "pattern": r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$",
    "maxLength": 63,
}
DURATION: Schema = {"type": "string", "pattern": "^([0-9]+(ms|s|m|h|d))+$"}

_REFERENCE = _of({"name": NAME, "key": TEXT, "parameter": TEXT})
_KAFKA = _of(
    {"bootstrapServers": TEXT, "consumerGroup": TEXT, "lagThreshold": TEXT},
    {
        "sasl": {"enum": ["plaintext", "scram_sha256", "scram_sha512"]},
        "tls": {"enum": ["enable", "disable"]},
    },
)
_EXPRESSION = _of(
    {"key": TEXT, "operator": {"enum": ["In", "NotIn", "Exists", "DoesNotExist"]}},
    {"values": _list(LABEL)},
)
_RELABELING = _of(
    {"targetLabel": {"type": "string", "pattern": "^[a-zA-Z_][a-zA-Z0-9_]*$"}},
    {
        "sourceLabels": _list({"type": "string", "pattern": "^[a-zA-Z_][a-zA-Z0-9_]*$"}),
        "replacement": TEXT,
    },
)
_PATH = _of(
    {
        "type": {"enum": ["Exact", "PathPrefix"]},
        "value": {"type": "string", "pattern": "^/[-A-Za-z0-9/._~]*$", "maxLength": 1024},
    }
)
_BACKEND = _of({"name": NAME, "port": {"type": "integer", "minimum": 1, "maximum": 65_535}})

SPECS: dict[tuple[str, str], Schema] = {
    ("keda.sh/v1alpha1", "ScaledObject"): _of(
        {
            "scaleTargetRef": _of({"name": NAME}),
            "minReplicaCount": COUNT,
            "maxReplicaCount": COUNT,
            "triggers": _list(
                _of(
                    {"type": {"const": "kafka"}, "metadata": _KAFKA},
                    {"authenticationRef": _of({"name": NAME})},
                )
            ),
        }
    ),
    ("keda.sh/v1alpha1", "TriggerAuthentication"): _of(
        {},
        {
            "env": _list(_of({"parameter": TEXT, "name": TEXT, "containerName": NAME})),
            "secretTargetRef": _list(_REFERENCE),
            "configMapTargetRef": _list(_REFERENCE),
        },
    ),
    ("monitoring.coreos.com/v1", "PodMonitor"): _of(
        {
            "selector": _of(
                {}, {"matchLabels": _map(LABEL), "matchExpressions": _list(_EXPRESSION)}
            ),
            "podMetricsEndpoints": _list(
                _of(
                    {"port": TEXT, "path": TEXT, "interval": DURATION},
                    {"relabelings": _list(_RELABELING)},
                )
            ),
        }
    ),
    ("monitoring.coreos.com/v1", "PrometheusRule"): _of(
        {
            "groups": _list(
                _of(
                    {
                        "name": TEXT,
                        "rules": _list(
                            _of(
                                {"alert": TEXT, "expr": TEXT},
                                {
                                    "for": DURATION,
                                    "labels": _map({"type": "string"}),
                                    "annotations": _map({"type": "string"}),
                                },
                            )
                        ),
                    },
                    {"interval": DURATION},
                )
            )
        }
    ),
    ("gateway.networking.k8s.io/v1", "HTTPRoute"): _of(
        {
            "parentRefs": _list(
                _of({"name": NAME}, {"namespace": NAME, "sectionName": NAME}), most=32
            ),
            "hostnames": _list(NAME, most=16),
            "rules": _list(
                _of(
                    {
                        "matches": _list(_of({"path": _PATH}), most=64),
                        "backendRefs": _list(_BACKEND, most=16),
                    }
                ),
                most=16,
            ),
        }
    ),
}
"""(apiVersion, kind) -> what its spec may be."""


def schema_of(api: str, kind: str) -> Schema:
    """The schema of a whole object."""
    metadata = _of({"name": NAME, "labels": _map(LABEL)}, {"annotations": _map(TEXT)})
    return _of(
        {
            "apiVersion": {"const": api},
            "kind": {"const": kind},
            "metadata": metadata,
            "spec": SPECS[api, kind],
        }
    )
