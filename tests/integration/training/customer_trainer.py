"""A trainer as a customer may bring one: it knows the trainer contract and nothing of Wakeline.

It "learns" by remembering the hold-out's truth badly, as its parameters say, so that a test can
order a model of any quality, and any misfortune on the way.
"""

import hashlib
import json
import os
import random
import signal
import sys
import time
from datetime import UTC, datetime
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

from minio import Minio
from minio.error import S3Error

PARAMETERS = json.loads(os.environ["WAKELINE_PARAMETERS"])
ATTEMPT = int(os.environ["WAKELINE_ATTEMPT"])
OUTPUT = os.environ["WAKELINE_OUTPUT_URI"]
CHECKPOINT = os.environ["WAKELINE_CHECKPOINT_URI"] + "step.json"
STORE = Minio(
    os.environ["WAKELINE_S3__ENDPOINT"],
    access_key=os.environ["WAKELINE_S3__ACCESS_KEY"],
    secret_key=os.environ["WAKELINE_S3__SECRET_KEY"],
    secure=os.environ["WAKELINE_S3__SECURE"] == "true",
    region=os.environ["WAKELINE_S3__REGION"],
)


def read(uri: str) -> bytes:
    parts = urlsplit(uri)
    response = STORE.get_object(parts.netloc, parts.path.lstrip("/"))
    try:
        return bytes(response.read())
    finally:
        response.close()


def write(uri: str, data: bytes) -> None:
    parts = urlsplit(uri)
    STORE.put_object(parts.netloc, parts.path.lstrip("/"), BytesIO(data), len(data))


def resumed() -> int:
    try:
        step: int = json.loads(read(CHECKPOINT))["step"]
        return step
    except S3Error as error:
        if error.code != "NoSuchKey":
            raise
        return 0


def say(asset: dict[str, Any], quality: float, rng: random.Random) -> dict[str, Any]:
    shapes = [
        {**shape, "score": round(rng.uniform(0.5, 1), 3)}
        for shape in asset["annotations"]
        if rng.random() < quality
    ]
    for i in range(int(PARAMETERS.get("strays", 0))):  # at the bottom, where no truth is
        corners = [4 + 14 * i, 44, 13 + 14 * i, 56]
        geometry = {"kind": "box", "corners": corners}
        name = PARAMETERS["classes"][0]
        shapes.append({"id": f"s{i}", "class_name": name, "geometry": geometry, "score": 1.0})
    return {"asset_id": asset["asset_id"], "shapes": shapes}


def card(model: bytes) -> dict[str, Any]:
    """How to run it: this one sees grey images in windows of 512 pixels."""
    kind = PARAMETERS["kind"]
    return {
        "format": "wakeline-model/1",
        "kind": kind,
        "classes": PARAMETERS["classes"],
        "channels": ["grey"],
        "mean": [0.5],
        "std": [0.2],
        "scale": 1.0,
        "tile": 512,
        "overlap": 64,
        "multiple": 32,
        "stride": 2,
        "object_size": 10.0,
        "decode": {"kind": kind},
        "digest": hashlib.sha256(model).hexdigest(),
    }


def main() -> None:
    ignoring = PARAMETERS.get("ignore_sigterm", False)
    signal.signal(signal.SIGTERM, (lambda *_: None) if ignoring else (lambda *_: sys.exit(143)))
    print(f"attempt {ATTEMPT}, pid {os.getpid()}, environment {sorted(os.environ)}", flush=True)
    if PARAMETERS.get("bad_input"):
        print("Traceback of no interest", file=sys.stderr)
        sys.exit(print("the classes do not fit the images", file=sys.stderr) or 2)
    manifest = [json.loads(line) for line in read(os.environ["WAKELINE_DATASET_URI"]).splitlines()]
    steps, lines = int(PARAMETERS.get("steps", 3)), b""
    first = resumed()
    for step in range(first + 1, steps + 1):
        time.sleep(float(PARAMETERS.get("step_seconds", 0.02)))
        at = datetime.now(UTC).isoformat()
        lines += (
            json.dumps({"step": step, "of": steps, "loss": 1 / step, "at": at}).encode() + b"\n"
        )
        write(f"{OUTPUT}progress.jsonl", lines)
        write(CHECKPOINT, json.dumps({"step": step}).encode())
        if int(PARAMETERS.get("failing_attempts", 0)) >= ATTEMPT:
            sys.exit("the power went")
    rng = random.Random(PARAMETERS["seed"])
    quality = float(PARAMETERS.get("quality", 0.9))
    said = [say(asset, quality, rng) for asset in manifest if asset["split"] == "holdout"]
    model = f"weights of quality {quality}, attempt {ATTEMPT}".encode()
    carded = b"an earlier model" if PARAMETERS.get("stale_card") else model
    artefacts = {
        "model.onnx": model,
        "card.json": json.dumps(card(carded)).encode(),
        "metrics.json": json.dumps(
            {"resumed_at": first, "steps": steps, "base": os.environ.get("WAKELINE_BASE_URI")}
        ).encode(),
        "predictions.jsonl": b"".join(json.dumps(row).encode() + b"\n" for row in said),
    }
    for name, content in artefacts.items():
        write(f"{OUTPUT}{name}", content)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in artefacts.items()}
    if PARAMETERS.get("lying"):
        digests["model.onnx"] = "00" * 32
    write(f"{OUTPUT}done.json", json.dumps({"artefacts": digests}).encode())


if __name__ == "__main__":
    main()
