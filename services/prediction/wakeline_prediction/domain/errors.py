"""Every refusal of the prediction service: a class with a stable code and a text that helps."""

from collections.abc import Sequence
from typing import ClassVar


class CannotAnswerError(Exception):
    """A predictor has nothing to say about this asset: the next one of the stage is asked."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class PredictorRefusedError(Exception):
    """A predictor that should answer must not, or is broken: this shows, and nobody stands in."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class NoSuchStageError(Exception):
    """There is no such project, or it has no such stage."""

    code: ClassVar[str] = "no-such-stage"

    def __init__(self, stage_id: str) -> None:
        super().__init__(f"there is no stage {stage_id!r}: create it with `project apply`")


class PredictorNotListedError(Exception):
    """The stage does not want predictions of this predictor."""

    code: ClassVar[str] = "predictor-not-listed"

    def __init__(self, predictor: str, stage_id: str, listed: Sequence[str]) -> None:
        there = ", ".join(listed) or "none"
        super().__init__(
            f"stage {stage_id!r} lists no {predictor!r} among its predictors ({there}): "
            f"add 'external' or {predictor!r} to the project"
        )


class NothingAskedForError(Exception):
    """Predictions were asked for without saying of what."""

    code: ClassVar[str] = "nothing-asked-for"

    def __init__(self) -> None:
        super().__init__("say of what: ?task_id=... or ?asset_id=...")
