"""Python client of Wakeline: ``Client(url, token)``, or ``AsyncClient`` for asyncio.

>>> with Client("http://127.0.0.1:7400", token) as client:
...     client.predictions.upload("weeds", "outline", {asset_id: [shape, ...]})
"""

from wakeline_sdk._async.client import AsyncClient
from wakeline_sdk._sync.client import Client
from wakeline_sdk.errors import (
    ConflictError,
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
    UnauthenticatedError,
    UnavailableError,
    UnreachableError,
    WakelineError,
)
from wakeline_sdk.shapes import (
    Annotation,
    Box,
    Classification,
    Mask,
    Point,
    Polygon,
    Polyline,
    Predicted,
    Shape,
)
from wakeline_sdk.uploads import Upload

__all__ = [
    "Annotation",
    "AsyncClient",
    "Box",
    "Classification",
    "Client",
    "ConflictError",
    "ForbiddenError",
    "InvalidRequestError",
    "Mask",
    "NotFoundError",
    "Point",
    "Polygon",
    "Polyline",
    "Predicted",
    "Shape",
    "UnauthenticatedError",
    "UnavailableError",
    "UnreachableError",
    "Upload",
    "WakelineError",
]
