"""The matrix of services and buckets, and its form as a policy document."""

from datetime import timedelta

import pytest
from pydantic import SecretStr

from wakeline_blobs import BUCKETS, MATRIX, Blobs, BlobSettings, s3_policy
from wakeline_blobs.access import RUNS, trainer_policy
from wakeline_training.domain.run import attempt_prefix, checkpoint_prefix


def test_only_prediction_reads_models() -> None:
    assert [name for name, rights in MATRIX.items() if "r" in rights.get("models", "")] == [
        "prediction"
    ]


def test_every_bucket_has_exactly_one_kind_of_writer() -> None:
    writers = {
        bucket: {name for name, rights in MATRIX.items() if "w" in rights.get(bucket, "")}
        for bucket in BUCKETS
    }
    assert writers == {
        "assets": {"ingest"},
        "labels": {"labeling", "review"},
        "predictions": {"prediction"},
        "datasets": {"training"},
        "models": {"training"},
    }


@pytest.mark.parametrize("service", MATRIX)
def test_a_policy_names_every_bucket_of_the_matrix_and_no_other(service: str) -> None:
    statements = s3_policy(service, prefix="p-")["Statement"]
    arns = {arn for statement in statements for arn in statement["Resource"]}
    assert arns == {
        f"arn:aws:s3:::p-{bucket}{tail}" for bucket in MATRIX[service] for tail in ("", "/*")
    }


def test_a_trainer_writes_what_its_runs_leave_behind_and_nothing_else() -> None:
    statements = trainer_policy("p-", ("own-images",))["Statement"]
    written = [
        arn
        for statement in statements
        for arn in statement["Resource"]
        if set(statement["Action"]) - {"s3:GetObject", "s3:ListBucket"}
    ]
    assert written == ["arn:aws:s3:::p-datasets/runs/*"]
    for made in (attempt_prefix("run", 1), checkpoint_prefix("run")):
        assert made.startswith(RUNS)
    read = {arn for one in statements if "s3:GetObject" in one["Action"] for arn in one["Resource"]}
    assert read == {f"arn:aws:s3:::{name}/*" for name in ("p-assets", "p-datasets", "own-images")}


def test_a_writer_of_models_may_not_read_them() -> None:
    (models,) = [
        statement
        for statement in s3_policy("training")["Statement"]
        if statement["Resource"] == ["arn:aws:s3:::models/*"]
    ]
    assert "s3:PutObject" in models["Action"]
    assert "s3:GetObject" not in models["Action"]


@pytest.mark.parametrize(
    ("endpoint", "path_style", "begin"),
    [
        ("s3.example.org", None, "https://s3.example.org/acme-assets/a?"),
        ("s3.example.org", False, "https://acme-assets.s3.example.org/a?"),
        ("s3.eu-west-1.amazonaws.com", None, "https://acme-assets.s3.eu-west-1.amazonaws.com/a?"),
        ("s3.eu-west-1.amazonaws.com", True, "https://s3.eu-west-1.amazonaws.com/acme-assets/a?"),
    ],
)
async def test_a_buckets_name_stands_where_the_store_looks_for_it(
    endpoint: str, path_style: bool | None, begin: str
) -> None:
    settings = BlobSettings(
        endpoint=endpoint,
        access_key="k",
        secret_key=SecretStr("s"),
        secure=True,
        region="eu-west-1",
        prefix="acme-",
        path_style=path_style,
    )
    async with Blobs(settings) as blobs:
        url = await blobs.presigned_get("assets", "a", timedelta(minutes=1))
    assert url.startswith(begin), url
