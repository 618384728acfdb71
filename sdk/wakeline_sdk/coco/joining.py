"""COCO files joined with a platform's assets, in a temporary database instead of in memory."""

import json
import sqlite3
from collections.abc import Collection, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, NamedTuple

from wakeline_sdk.coco.conversion import Json
from wakeline_sdk.coco.reading import members
from wakeline_sdk.models import AssetRecord

_TABLES = """
CREATE TABLE assets (asset_id TEXT PRIMARY KEY, name TEXT, base TEXT, width INT, height INT);
CREATE INDEX assets_by_name ON assets (name);
CREATE INDEX assets_by_base ON assets (base);
CREATE TABLE images (id BLOB PRIMARY KEY, name TEXT, entry TEXT);
CREATE INDEX images_by_name ON images (name);
CREATE TABLE annotations (image_id BLOB, entry TEXT);
"""


class Known(NamedTuple):
    """What is known of an asset."""

    asset_id: str
    width: int
    """Upright, in pixels."""
    height: int


class Matched(NamedTuple):
    """One image of a COCO file beside its asset."""

    image: Json
    annotations: list[dict[str, Any]]
    asset: Known | None
    problem: str | None
    """Why it has no asset."""


class Join:
    """Assets and COCO files by image; use it as a context, at whose end it is gone."""

    def __init__(self) -> None:
        self.categories: list[dict[str, Any]] = []
        self.info: dict[str, Any] = {}
        self.licenses: list[dict[str, Any]] = []

    def __enter__(self) -> "Join":
        self._folder = TemporaryDirectory(prefix="wakeline-coco-")
        # Results of several threads' work come one after the other, so no lock is needed.
        self._db = sqlite3.connect(Path(self._folder.name) / "join.db", check_same_thread=False)
        self._db.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;" + _TABLES)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._db.close()
        self._folder.cleanup()

    def add_asset(self, asset: AssetRecord) -> None:
        """Let an asset be found by its name, or by its id."""
        base = asset.file_name.rpartition("/")[2]
        row = (asset.asset_id, asset.file_name, base, asset.width, asset.height)
        self._db.execute("INSERT OR REPLACE INTO assets VALUES (?, ?, ?, ?, ?)", row)

    def read(self, path: Path, only: Collection[str] | None = None) -> None:
        """Take in a COCO file, or a list of results, as a stream; or some parts of it only.

        Raises
        ------
        ValueError
            If the file is neither.
        """
        for key, value in members(path):
            if only is not None and key not in only:
                continue
            match key:
                case "images":
                    row = (value["id"], str(value.get("file_name", "")), json.dumps(value))
                    self._db.execute("INSERT OR REPLACE INTO images VALUES (?, ?, ?)", row)
                case "annotations" | "":
                    if not isinstance(value, dict) or "image_id" not in value:
                        raise ValueError(f"{path} holds an annotation that names no image")
                    entry = (value["image_id"], json.dumps(value))
                    self._db.execute("INSERT INTO annotations VALUES (?, ?)", entry)
                case "categories":
                    self.categories.append(value)
                case "licenses":
                    self.licenses.append(value)
                case "info":
                    self.info = value if isinstance(value, dict) else {}

    def matched(self) -> Iterator[Matched]:
        """Every image with its annotations and its asset, in the order of the images' ids."""
        self._db.execute(
            "CREATE INDEX IF NOT EXISTS annotations_by_image ON annotations (image_id)"
        )
        for image_id, entry in self._db.execute("SELECT id, entry FROM images ORDER BY id"):
            image = json.loads(entry)
            found = self._db.execute(
                "SELECT entry FROM annotations WHERE image_id = ? ORDER BY rowid", (image_id,)
            )
            annotations = [json.loads(row[0]) for row in found]
            asset, problem = self._asset_of(image)
            yield Matched(image, annotations, asset, problem)

    def orphans(self) -> int:
        """Annotations whose image is not among the images."""
        counted = "SELECT COUNT(*) FROM annotations WHERE image_id NOT IN (SELECT id FROM images)"
        return int(self._db.execute(counted).fetchone()[0])

    def image_named(self, name: str) -> dict[str, Any] | None:
        """The image of this name in the files that were read."""
        query = "SELECT entry FROM images WHERE name = ?"
        row = self._db.execute(query, (name,)).fetchone()
        if row is None:
            row = self._db.execute(query, (name.rpartition("/")[2],)).fetchone()
        return None if row is None else dict(json.loads(row[0]))

    def highest_image_id(self) -> int:
        """The highest whole number that is an image's id; 0 if there is none."""
        query = "SELECT MAX(id) FROM images WHERE typeof(id) = 'integer'"
        return int(self._db.execute(query).fetchone()[0] or 0)

    def has_asset(self, asset_id: str) -> bool:
        """Whether there is an asset of this id."""
        query = "SELECT 1 FROM assets WHERE asset_id = ?"
        return self._db.execute(query, (asset_id,)).fetchone() is not None

    def asset_named(self, name: str) -> tuple[Known | None, str | None]:
        """The asset of this file name, or why there is none."""
        for column, wanted in (("name", name), ("base", name.rpartition("/")[2])):
            query = f"SELECT asset_id, width, height FROM assets WHERE {column} = ? LIMIT 2"
            rows = self._db.execute(query, (wanted,)).fetchall()
            if len(rows) == 1:
                return Known(*rows[0]), None
            if rows:
                return None, f"several assets are named {wanted}"
        return None, f"no asset is named {name}"

    def _asset_of(self, image: Json) -> tuple[Known | None, str | None]:
        name = str(image.get("file_name", ""))
        # Our own exports state the asset itself, whatever it is called.
        query = "SELECT asset_id, width, height FROM assets WHERE asset_id = ?"
        row = self._db.execute(query, (image.get("asset_id"),)).fetchone()
        asset, problem = self.asset_named(name) if row is None else (Known(*row), None)
        if asset is None:
            return None, problem
        width, height = image.get("width", asset.width), image.get("height", asset.height)
        if (width, height) != (asset.width, asset.height):
            return None, (
                f"{name} is of {width} x {height} pixels in the file, "
                f"but its asset of {asset.width} x {asset.height}"
            )
        return asset, None
