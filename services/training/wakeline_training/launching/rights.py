"""What training needs on the API of Kubernetes, and what is said where that is not given. Pure."""

from dataclasses import dataclass
from typing import Any

from wakeline_training.settings import JobLaunch


@dataclass(frozen=True, order=True)
class Right:
    """One verb on one resource in the trainers' namespace: what a rule of a Role allows."""

    group: str
    """"" is the core."""
    resource: str
    """With what is below it: ``pods/log``."""
    verb: str
    name: str | None = None
    """Of the only object that it is about."""


def rights_of(launch: JobLaunch) -> tuple[Right, ...]:
    """Everything that the process ``run`` asks of the API, and nothing more."""
    rights = [
        *(Right("batch", "jobs", verb) for verb in ("create", "delete", "list")),
        Right("", "pods", "list"),
        Right("", "pods/log", "get"),
        Right("", "events", "list"),
    ]
    if launch.owner is not None:
        rights.append(Right("apps", "deployments", "get", launch.owner))
    return tuple(rights)


def access_review(right: Right, namespace: str) -> dict[str, Any]:
    """Return the question whether whoever asks has a right, as an object of the API."""
    resource, _, below = right.resource.partition("/")
    asked = {
        "namespace": namespace,
        "group": right.group,
        "resource": resource,
        "subresource": below,
        "verb": right.verb,
        "name": right.name or "",
    }
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": asked},
    }


def missing(right: Right, user: str, namespace: str) -> str:
    """Say of a right that a user has not got what is to be done about it."""
    what = f"{right.resource}.{right.group}" if right.group else right.resource
    one = f" '{right.name}'" if right.name else ""
    return (
        f"Kubernetes user '{user}' may not {right.verb} {what}{one} in namespace '{namespace}': "
        "add a Role that allows it"
    )
