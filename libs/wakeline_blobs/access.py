"""The buckets, and the one matrix that says which service may do what in which."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

BUCKETS = ("assets", "labels", "predictions", "datasets", "models")
"""Every bucket of a stack."""

Rights = Literal["r", "w", "rw"]
"""``r``: read and list; ``w``: put, overwrite, delete and list."""

MATRIX: Mapping[str, Mapping[str, Rights]] = {
    "ingest": {"assets": "rw"},
    "labeling": {"assets": "r", "labels": "rw", "predictions": "r"},
    "review": {"assets": "r", "labels": "rw", "predictions": "r"},
    "prediction": {"assets": "r", "predictions": "rw", "models": "r"},
    # Training stores models and never serves one: their bytes go to prediction alone.
    "training": {
        "assets": "r",
        "labels": "r",
        "predictions": "r",
        "datasets": "rw",
        "models": "w",
    },
    # Which labels a dataset version holds stands in its manifest, and nowhere else.
    "lineage": {"datasets": "r"},
}
"""Rights of each service in each bucket; what is not here is refused by the store."""

SOURCES = "source-*"
"""Buckets of images that the embedded stack lets be registered by reference; elsewhere they have
any names, and the services' own credentials must be given the right to read them."""


RUNS = "runs/"
"""Where in ``datasets`` each run leaves its checkpoints, progress and results."""


def reads_sources(service: str) -> bool:
    """Whether a service reads buckets of sources: who reads images follows references too."""
    return "r" in MATRIX[service].get("assets", "")


_ON_OBJECTS = {
    "r": ("s3:GetObject",),
    "w": ("s3:AbortMultipartUpload", "s3:DeleteObject", "s3:PutObject"),
}


def s3_policy(service: str, prefix: str = "", sources: Sequence[str] = ()) -> dict[str, Any]:
    """Return a service's rights as a policy document, in the form that MinIO and AWS take.

    ``prefix`` stands before the buckets' names, as in ``BlobSettings``; ``sources`` are the full
    names of buckets whose objects are registered by reference.
    """
    statements: list[dict[str, Any]] = []
    for bucket, rights in sorted(MATRIX[service].items()):
        arn = f"arn:aws:s3:::{prefix}{bucket}"
        actions = [action for right in rights for action in _ON_OBJECTS[right]]
        statements += _allowed(arn, actions)
    for bucket in sources if reads_sources(service) else ():
        statements += _allowed(f"arn:aws:s3:::{bucket}", _ON_OBJECTS["r"])
    return {"Version": "2012-10-17", "Statement": statements}


def trainer_policy(prefix: str = "", sources: Sequence[str] = ()) -> dict[str, Any]:
    """Return the rights of trainers that have a key of their own, in the form of ``s3_policy``.

    They read images and datasets, and write what runs leave behind. Models that may serve are
    training's to write: it copies what passes the gate.
    """
    statements: list[dict[str, Any]] = []
    for bucket in BUCKETS:
        statements += _of_trainer(bucket, f"arn:aws:s3:::{prefix}{bucket}")
    for bucket in sources:
        statements += _allowed(f"arn:aws:s3:::{bucket}", _ON_OBJECTS["r"])
    return {"Version": "2012-10-17", "Statement": statements}


def s3_bucket_policy(bucket: str, prefix: str = "", account: str = "ACCOUNT") -> dict[str, Any]:
    """Return who may do what in a bucket, for stores where the bucket itself says so.

    The users are called ``wakeline-<service>`` and ``wakeline-trainer``; ``account`` is
    that of the users, where there is such a thing.
    """
    arn = f"arn:aws:s3:::{prefix}{bucket}"
    statements = []
    for service, rights in MATRIX.items():
        actions = [action for right in rights.get(bucket, "") for action in _ON_OBJECTS[right]]
        who = {"AWS": [f"arn:aws:iam::{account}:user/wakeline-{service}"]}
        for statement in _allowed(arn, actions) if actions else ():
            statements.append({"Principal": who} | statement)
    trainer = {"AWS": [f"arn:aws:iam::{account}:user/wakeline-trainer"]}
    statements += [{"Principal": trainer} | one for one in _of_trainer(bucket, arn)]
    return {"Version": "2012-10-17", "Statement": statements}


def _of_trainer(bucket: str, arn: str) -> list[dict[str, Any]]:
    statements = _allowed(arn, _ON_OBJECTS["r"]) if bucket in ("assets", "datasets") else []
    if bucket == "datasets":
        actions = ["s3:AbortMultipartUpload", "s3:PutObject"]
        statements.append({"Effect": "Allow", "Action": actions, "Resource": [f"{arn}/{RUNS}*"]})
    return statements


def _allowed(arn: str, actions: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {"Effect": "Allow", "Action": list(actions), "Resource": [f"{arn}/*"]},
        {"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": [arn]},
    ]
