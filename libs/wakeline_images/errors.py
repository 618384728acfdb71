"""The one error of reading images: a stable code, and advice for who sent the file."""

from typing import Literal

RefusalCode = Literal[
    "empty-file",
    "not-an-image",
    "truncated-image",
    "damaged-image",
    "image-too-large",
    "wrong-extension",
    "unsupported-image",
    "band-size-differs",
]


class UnreadableImageError(ValueError):
    """A file that cannot become an asset: ``code`` is for programs, the message for people."""

    def __init__(self, code: RefusalCode, message: str) -> None:
        super().__init__(message)
        self.code: RefusalCode = code
        self.message = message
