"""Datasets and their assets."""

import json
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import batched
from pathlib import Path
from typing import Any

from wakeline_sdk._async.pause import aside
from wakeline_sdk._async.transport import AsyncTransport
from wakeline_sdk.concurrency import in_tasks
from wakeline_sdk.errors import ConflictError, InvalidRequestError
from wakeline_sdk.models import (
    AssetRecord,
    Dataset,
    FileReport,
    Refusal,
    StoredAsset,
    UploadReport,
)
from wakeline_sdk.paths import path
from wakeline_sdk.uploads import Progress, Upload, digest, images_below
