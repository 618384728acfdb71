"""What an upload's form says, read strictly."""

import re
from typing import Any, get_args

import orjson

from wakeline_ingest.api.uploads import Form
from wakeline_ingest.checking import Companions
from wakeline_ingest.domain.errors import InvalidUploadError
from wakeline_ingest.domain.metadata import refuse_unstorable
from wakeline_ingest.domain.records import Declared
from wakeline_ingest.ports import SentFile

_PART = re.compile(r"(band|mask)\.[a-z0-9][a-z0-9_-]{0,31}")
_FIELDS = frozenset({"group", "parent", "metadata", "companions", "file_name"})
_MOST_CHARACTERS = 400

UPLOAD_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["image"],
                    "properties": {
                        "image": {"type": "string", "format": "binary"},
                        "group": {"type": "string", "description": "Same patient or scene."},
                        "parent": {"type": "string", "description": "Asset it was cut from."},
                        "metadata": {"type": "string", "description": "A JSON object."},
                        "companions": {
                            "enum": list(get_args(Companions)),
                            "default": "stored",
                            "description": "Grid of bands and masks without an orientation of "
                            "their own, where the image has one.",
                        },
                    },
                    "patternProperties": {
                        "^(band|mask)[.]": {"type": "string", "format": "binary"}
                    },
                    "additionalProperties": False,
                }
            }
        },
    }
}
"""The body of an upload in the OpenAPI document; it is read as a stream, not by the framework."""


def image_of(form: Form) -> SentFile:
    """Return the file of the image.

    Raises
    ------
    InvalidUploadError
    """
    if "image" not in form.files:
        raise InvalidUploadError("send the image's file in the part image")
    return form.files["image"]


def parts_of(form: Form) -> dict[str, SentFile]:
    """Return the bands and masks: ``band.<name>`` and ``mask.<name>``.

    Raises
    ------
    InvalidUploadError
    """
    parts = {name: sent for name, sent in form.files.items() if name != "image"}
    for name in parts:
        if not _PART.fullmatch(name):
            raise InvalidUploadError(f"a file's part is image, band.NAME or mask.NAME, not {name}")
    return parts


def declared_of(form: Form) -> Declared:
    """Return what the sender says of the image.

    Raises
    ------
    InvalidUploadError, MetadataRefusedError
    """
    for name in form.fields.keys() - _FIELDS:
        raise InvalidUploadError(f"there is no field {name}; there are {sorted(_FIELDS)}")
    return Declared(
        file_name=_text(form, "file_name") or image_of(form).name[-_MOST_CHARACTERS:],
        group=_text(form, "group"),
        parent=_text(form, "parent"),
        metadata=_metadata(form),
    )


def companions_of(form: Form) -> Companions:
    """Return the grid that bands and masks without an orientation are on.

    Raises
    ------
    InvalidUploadError
    """
    said = form.fields.get("companions", "stored")
    for known in get_args(Companions):
        if said == known:
            return known  # type: ignore[no-any-return]
    raise InvalidUploadError(f"companions is one of {get_args(Companions)}")


def _text(form: Form, name: str) -> str | None:
    text = form.fields.get(name)
    if text is None or text == "":
        return None
    if len(text) > _MOST_CHARACTERS or not text.isprintable():
        raise InvalidUploadError(f"{name} is at most {_MOST_CHARACTERS} printable characters")
    return text


def _metadata(form: Form) -> dict[str, Any]:
    try:
        metadata = orjson.loads(form.fields.get("metadata") or "{}")
    except orjson.JSONDecodeError as error:
        raise InvalidUploadError(f"metadata is not JSON: {error}") from error
    if not isinstance(metadata, dict):
        raise InvalidUploadError("metadata is a JSON object")
    refuse_unstorable(metadata)
    return metadata
