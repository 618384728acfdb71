"""One attempt at training as a Kubernetes Job: what is sent to the API server. Pure."""

import hashlib
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from wakeline_events.base import StageId
from wakeline_training.launching.process import THREAD_VARIABLES
from wakeline_training.ports import Order
from wakeline_training.settings import JobLaunch, TrainerSettings

RUN, NUMBER, ATTEMPT = "wakeline/run", "wakeline/number", "wakeline/attempt"
STAGE = "wakeline/stage"
"""Labels of Jobs and their pods."""
LAUNCH = "wakeline/launch"
"""Annotation: which call made this Job, so that nobody takes another's of the same name for its."""
CONTAINER = "trainer"
WORK, TEMPORARY = "/work", "/tmp"
AUTHORITY = "/etc/wakeline/authority"
TRUST = "WAKELINE_S3__CA_FILE"
_MANAGER = "app.kubernetes.io/managed-by"
MANAGED = "wakeline-training"


def job_name(launch: JobLaunch, order: Order) -> str:
    """The name follows from run and attempt: whoever comes later finds it."""
    return f"{launch.name_prefix}-{order.run_id}-{order.attempt}"


def is_later(job: Mapping[str, Any], order: Order) -> bool:
    """Whether a Job of the same stage belongs to a later run or attempt than this."""
    labels = job["metadata"]["labels"]
    return (int(labels.get(NUMBER, 0)), int(labels[ATTEMPT])) > (order.number, order.attempt)


def stage_label(stage_id: StageId) -> str:
    """A stage's id may hold what a label's value may not."""
    return hashlib.sha256(stage_id.encode()).hexdigest()[:24]


def selector(launch: JobLaunch, **labels: str) -> str:
    """What selects this installation's Jobs, or those with further labels (``run``, ``stage``)."""
    chosen = {_MANAGER: MANAGED, "wakeline/prefix": launch.name_prefix}
    chosen |= {f"wakeline/{name}": value for name, value in labels.items()}
    return ",".join(f"{name}={value}" for name, value in chosen.items())


def job_manifest(
    order: Order, settings: TrainerSettings, launch: JobLaunch, token: str,
    owner: Mapping[str, Any] | None,
) -> dict[str, Any]:  # fmt: skip
    """Return the Job of one attempt.

    Its pod runs once (attempts are counted by the run, which gives each a folder of its own) and
    fits the Pod Security Standard ``restricted``. Kubernetes ends it even where nobody is left to
    do that: ``limit`` after its pod began, or after its patience is over as well.

    Parameters
    ----------
    token
        Names the call that makes it, as the annotation ``wakeline/launch``.
    owner
        An entry of ``ownerReferences``, or None.
    """
    labels = {
        **launch.labels,
        _MANAGER: MANAGED,
        "wakeline/prefix": launch.name_prefix,
        RUN: order.run_id,
        NUMBER: str(order.number),
        ATTEMPT: str(order.attempt),
        STAGE: stage_label(order.stage_id),
    }
    annotations = {**launch.annotations, "wakeline/stage-id": order.stage_id}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": job_name(launch, order),
            "labels": labels,
            "annotations": {**annotations, LAUNCH: token},
            **({"ownerReferences": [dict(owner)]} if owner else {}),
        },
        "spec": {
            "backoffLimit": 0,
            "completions": 1,
            "parallelism": 1,
            "activeDeadlineSeconds": _seconds(launch.patience + order.limit + settings.grace),
            "ttlSecondsAfterFinished": _seconds(launch.kept),
            "template": {
                "metadata": {"labels": labels, "annotations": annotations},
                "spec": _pod(order, settings, launch),
            },
        },
    }


def owner_reference(deployment: Mapping[str, Any]) -> dict[str, Any]:
    """What makes a Job go with a Deployment."""
    metadata = deployment["metadata"]
    return {
        "apiVersion": "apps/v1", "kind": "Deployment", "name": metadata["name"],
        "uid": metadata["uid"], "controller": False, "blockOwnerDeletion": False,
    }  # fmt: skip


def _pod(order: Order, settings: TrainerSettings, launch: JobLaunch) -> dict[str, Any]:
    volumes: list[dict[str, Any]] = [
        {"name": "work", "emptyDir": {"sizeLimit": launch.work_size}},
        {"name": "temporary", "emptyDir": {"sizeLimit": launch.work_size}},
    ]
    mounts: list[dict[str, Any]] = [
        {"name": "work", "mountPath": WORK},
        {"name": "temporary", "mountPath": TEMPORARY},
    ]
    if launch.shared_memory:
        memory = {"medium": "Memory", "sizeLimit": launch.shared_memory}
        volumes.append({"name": "shared-memory", "emptyDir": memory})
        mounts.append({"name": "shared-memory", "mountPath": "/dev/shm"})
    if launch.ca_config_map:
        volumes.append({"name": "authority", "configMap": {"name": launch.ca_config_map}})
        mounts.append({"name": "authority", "mountPath": AUTHORITY, "readOnly": True})
    security: dict[str, Any] = {
        "runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}
    }  # fmt: skip
    if launch.user is not None:
        security |= {
            "runAsUser": launch.user, "runAsGroup": launch.user, "fsGroup": launch.user
        }  # fmt: skip
    container: dict[str, Any] = {
        "name": CONTAINER,
        "image": launch.image,
        "imagePullPolicy": launch.pull_policy,
        "workingDir": WORK,
        "env": _environment(order, settings, launch),
        "resources": launch.resources.model_dump(),
        "volumeMounts": mounts,
        # Its last lines stay in the pod's status, also where its log has gone.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    if settings.command is not None:
        container["command"] = list(settings.command)
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "activeDeadlineSeconds": _seconds(order.limit),
        "terminationGracePeriodSeconds": _seconds(settings.grace),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": security,
        "containers": [container],
        "volumes": volumes,
        "imagePullSecrets": [{"name": name} for name in launch.pull_secrets],
        "nodeSelector": launch.node_selector,
        "tolerations": list(launch.tolerations),
        "affinity": launch.affinity,
        "priorityClassName": launch.priority_class,
        "runtimeClassName": launch.runtime_class,
        "serviceAccountName": launch.service_account,
    }
    return {name: value for name, value in pod.items() if value not in (None, {}, [])}


def _environment(
    order: Order, settings: TrainerSettings, launch: JobLaunch
) -> list[dict[str, Any]]:
    """The contract's variables; the credential only by reference, so that no Job spells it out."""
    secret = {
        "WAKELINE_S3__ACCESS_KEY": launch.store_access_key,
        "WAKELINE_S3__SECRET_KEY": launch.store_secret_key,
    }
    # Where the authority lies in this pod says nothing about where it lies in the Job's.
    authority = f"{AUTHORITY}/{launch.ca_key}"
    trusted = dict.fromkeys((TRUST, "SSL_CERT_FILE"), authority) if launch.ca_config_map else {}
    plain = {
        **dict.fromkeys(THREAD_VARIABLES, str(settings.threads)),
        "HOME": WORK,
        "TMPDIR": TEMPORARY,
        **{n: value for n, value in order.environment.items() if n not in {*secret, TRUST}},
        **trusted,
    }
    return [{"name": name, "value": value} for name, value in plain.items()] + [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": launch.store_secret, "key": key}}}
        for name, key in secret.items()
    ]


def _seconds(time: timedelta) -> int:
    return max(1, round(time.total_seconds()))
