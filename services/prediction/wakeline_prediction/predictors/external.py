"""``external``: what somebody uploaded for this asset, as it is."""

from wakeline_prediction.domain.errors import CannotAnswerError
from wakeline_prediction.ports import Archive, Question, Result


class External:
    """Answers with uploads; needs no pixels."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    async def predict(self, question: Question) -> Result:
        """The shapes that were uploaded, with the uncertainty that came with them, if one did.

        Raises
        ------
        CannotAnswerError
            ``not-uploaded`` if there is nothing.
        """
        if question.uploaded is None:
            raise CannotAnswerError("not-uploaded", "nothing was uploaded for this asset")
        shapes = await self._archive.unpack(question.uploaded.shapes, wait=True)
        best = sorted(shapes, key=lambda shape: -shape.score)
        return Result(tuple(best), question.uploaded.uncertainty)
