"""What the documents say that a platform team must allow, read as it would be typed."""

import json
import re
from pathlib import Path
from typing import Any

from wakeline_messaging.rights import Operation, Right

FOLDER = Path(__file__).parents[3] / "docs" / "reference" / "access"
_ACL = re.compile(
    r"^acls --add --allow-principal User:wakeline-(\w+) --operation (\w+)"
    r" --(topic|group) wakeline(\.\w+)$",
    re.MULTILINE,
)
_USER = re.compile(r'createUser\(\{user: "wakeline-(\w+)".*roles: \[(.*)\]\}\)$', re.MULTILINE)
_ROLE = re.compile(r'\{role: "(\w+)", db: "wakeline_(\w+)"\}')


def kafka(service: str, prefix: str) -> list[Right]:
    """The ACLs of ``kafka-acls.sh``, for topics and groups of another prefix."""
    return [
        Right(
            "topic" if resource == "topic" else "group", prefix + name, Operation[operation.upper()]
        )
        for who, operation, resource, name in _ACL.findall((FOLDER / "kafka-acls.sh").read_text())
        if who == service
    ]


def mongo(service: str, prefix: str) -> list[dict[str, str]]:
    """The roles of ``mongo-users.js``, for databases of another prefix."""
    (roles,) = [
        roles
        for who, roles in _USER.findall((FOLDER / "mongo-users.js").read_text())
        if who == service
    ]
    return [{"role": role, "db": f"{prefix}_{name}"} for role, name in _ROLE.findall(roles)]


def s3(service: str, prefix: str) -> dict[str, Any]:
    """The policy of ``s3-<service>.json``, for buckets with a prefix."""
    text = (FOLDER / f"s3-{service}.json").read_text()
    policy: dict[str, Any] = json.loads(text.replace("arn:aws:s3:::", f"arn:aws:s3:::{prefix}"))
    return policy
