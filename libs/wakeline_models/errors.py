"""The one error of running a model: a stable code, and a sentence for people."""

from typing import Literal

ModelErrorCode = Literal["digest-differs", "unreadable-model", "channels-differ", "outputs-differ"]


class ModelError(ValueError):
    """A model that cannot run, or not on this image: ``code`` is for programs."""

    def __init__(self, code: ModelErrorCode, message: str) -> None:
        super().__init__(message)
        self.code: ModelErrorCode = code
        self.message = message
