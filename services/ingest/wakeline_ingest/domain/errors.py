"""What can be wrong with a request, each with its stable code."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar


class UnknownDatasetError(Exception):
    """No such dataset."""

    code: ClassVar[str] = "unknown-dataset"

    def __init__(self, dataset_id: str) -> None:
        super().__init__(f"there is no dataset {dataset_id!r}: create it with PUT first")


class UnknownAssetError(Exception):
    """No such asset, or the asset has no such band, mask or picture."""

    code: ClassVar[str] = "unknown-asset"


class UnknownParentError(Exception):
    """The parent that an upload names is not in the dataset."""

    code: ClassVar[str] = "unknown-parent"

    def __init__(self, parent: str) -> None:
        super().__init__(f"the parent {parent!r} is not in this dataset: upload it first")


class AssetDiffersError(Exception):
    """The image is there already, with other bands, masks, group or parent: assets don't change."""

    code: ClassVar[str] = "asset-differs"

    def __init__(self, asset_id: str, what: str) -> None:
        super().__init__(
            f"the image is there already as {asset_id}, with another {what}; assets never change: "
            "leave it out, or put the image into another dataset"
        )


class TurnTakenError(Exception):
    """Another process has placed assets of the dataset meanwhile: compare again."""

    code: ClassVar[str] = "turn-taken"

    def __init__(self, dataset_id: str) -> None:
        super().__init__(f"assets of {dataset_id!r} were placed by another process")


class InvalidUploadError(Exception):
    """The form is not what this route takes."""

    code: ClassVar[str] = "invalid-upload"


class FileTooLargeError(Exception):
    """A file of an upload has more bytes than are allowed."""

    code: ClassVar[str] = "file-too-large"

    def __init__(self, part: str, limit: int, advice: str) -> None:
        super().__init__(f"{part} has more than {limit:,} bytes: {advice}")


class ScratchFullError(Exception):
    """So many files are being checked that there is no room for another one now."""

    code: ClassVar[str] = "scratch-full"
    retry_after: ClassVar[int] = 5

    def __init__(self) -> None:
        super().__init__("too many files are being checked at the moment: send it again")


class FileRefusedError(Exception):
    """A file cannot become an asset; ``code`` is the reason's own."""

    code: str = "file-refused"

    def __init__(self, part: str, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.extra: Mapping[str, Any] = {"part": part}


class UnknownSourceError(Exception):
    """The dataset has no such source."""

    code: ClassVar[str] = "unknown-source"

    def __init__(self, source_id: str) -> None:
        super().__init__(f"there is no source {source_id!r} in this dataset: create it with PUT")


class SourceRefusedError(Exception):
    """A bucket that may not be a source, or cannot be read."""

    code: ClassVar[str] = "source-refused"


class SourceDiffersError(Exception):
    """A source is there already with another bucket or prefix: its assets hang on them."""

    code: ClassVar[str] = "source-differs"

    def __init__(self, source_id: str, what: str) -> None:
        super().__init__(
            f"the source {source_id!r} is there already with another {what}: use another name"
        )


class UnknownImportError(Exception):
    """The dataset has no such import."""

    code: ClassVar[str] = "unknown-import"

    def __init__(self, import_id: str) -> None:
        super().__init__(f"there is no import {import_id!r} in this dataset")


class CopyLostError(Exception):
    """A sync has lost a copy of these bytes meanwhile: look again."""

    code: ClassVar[str] = "copy-lost"


class UnknownUploadError(Exception):
    """The dataset has no such upload."""

    code: ClassVar[str] = "unknown-upload"

    def __init__(self, upload_id: str) -> None:
        super().__init__(f"there is no upload {upload_id!r} in this dataset: declare it first")


class UploadIncompleteError(Exception):
    """Parts of an upload are missing, or have another size than was declared."""

    code: ClassVar[str] = "upload-incomplete"

    def __init__(self, numbers: Sequence[int]) -> None:
        some = ", ".join(map(str, numbers[:20])) + (", ..." if len(numbers) > 20 else "")
        super().__init__(
            f"{len(numbers)} parts are not there in their size: {some}; ask for their URLs and "
            "send them again"
        )


class UploadEndedError(Exception):
    """An upload takes no more parts."""

    code: ClassVar[str] = "upload-ended"

    def __init__(self, upload_id: str, state: str) -> None:
        late = state in ("checking", "done")
        what = "all of it has come" if late else "declare the file again"
        super().__init__(f"the upload {upload_id} is {state}: {what}")


class UploadDiffersError(Exception):
    """A file is on its way already, and was declared otherwise."""

    code: ClassVar[str] = "upload-differs"

    def __init__(
        self, upload_id: str, state: str, import_id: str | None, what: Sequence[str]
    ) -> None:
        advice = {
            "open": "declare it as before to go on, or delete that upload and declare it anew",
            "checking": "wait until it is checked",
            "done": f"wait for the end of the import {import_id}, or cancel it",
        }
        super().__init__(
            f"this file is on its way as the upload {upload_id}, with another "
            f"{', '.join(what)}: {advice[state]}"
        )


class StagedFileError(Exception):
    """What lies in the staging area is not the file that was declared."""

    code: str = "digest-differs"

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class ArchiveError(Exception):
    """An archive that cannot be read any further; what came before stays."""

    code: str = "damaged-archive"

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class TableError(Exception):
    """A table that cannot be read any further; what came before stays."""

    code: str = "invalid-table"

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class MetadataRefusedError(Exception):
    """What one line, or a filter, says is not taken."""

    code: str = "metadata-refused"

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
