"""The buckets, and the one matrix that says which service may do what in which."""

from collections.abc import Mapping
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
}
"""Rights of each service in each bucket; what is not here is refused by the store."""

_ON_OBJECTS = {
    "r": ("s3:GetObject",),
    "w": ("s3:AbortMultipartUpload", "s3:DeleteObject", "s3:PutObject"),
}


def s3_policy(service: str, prefix: str = "") -> dict[str, Any]:
    """Return a service's rights as a policy document, in the form that MinIO and AWS take.

    ``prefix`` stands before the buckets' names, as in ``BlobSettings``.
    """
    statements: list[dict[str, Any]] = []
    for bucket, rights in sorted(MATRIX[service].items()):
        arn = f"arn:aws:s3:::{prefix}{bucket}"
        actions = [action for right in rights for action in _ON_OBJECTS[right]]
        statements += [
            {"Effect": "Allow", "Action": actions, "Resource": [f"{arn}/*"]},
            {"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": [arn]},
        ]
    return {"Version": "2012-10-17", "Statement": statements}
