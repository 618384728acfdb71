"""Deleting what nothing refers to any more: uploads that were replaced, and blobs of no record."""

from collections.abc import Sequence
from datetime import timedelta

from wakeline_prediction.domain.choice import target_id
from wakeline_prediction.ports import Archive, PredictionUnitOfWork, Steps

COLLECT = "collect"
GRACE = timedelta(days=1)
"""How long what nothing refers to is kept. Whoever writes a reference to a blob has stored the blob
just before, so that one which is younger than this may still get its reference."""
EVERY = timedelta(hours=6)
PAGE = 500
"""Uploads that one transaction deletes."""


async def collect(steps: Steps, archive: Archive) -> tuple[int, int]:
    """Delete uploads that were replaced, and after them the blobs that no record names.

    What was answered stays for ever: a prediction has its shapes, or their blob, for itself. Done
    again, after a kill at any line or by two at once, it deletes what is left.

    Returns
    -------
    how many uploads, and how many blobs
    """
    uploads = await _collect_uploads(steps)
    now, blobs = steps.read().now, 0
    async for keys in archive.kept_before(now - GRACE):
        for key in await _of_no_use(steps.read(), keys):
            blobs += await archive.drop(key, before=now - GRACE)
    return uploads, blobs


async def _collect_uploads(steps: Steps) -> int:
    collected, more = 0, True
    while more:
        gone = 0

        async def step(uow: PredictionUnitOfWork) -> None:
            nonlocal gone, more
            due = await uow.uploads.replaced(uow.now - GRACE, PAGE)
            standing = await uow.targets.standing(
                {target_id(each.stage_id, each.asset_id) for each in due}
            )
            stands = {upload.id for each in standing.values() for upload in each.uploads}
            for each in due:
                if each.id in stands:  # a release that did not note it has put it back
                    uow.uploads.keep(each.id)
                else:
                    uow.uploads.remove(each.id)
            gone, more = sum(each.id not in stands for each in due), len(due) == PAGE

        await steps.transaction(step)
        collected += gone
    return collected


async def _of_no_use(uow: PredictionUnitOfWork, keys: Sequence[str]) -> list[str]:
    # Uploads first: what is answered from one meanwhile is found with the predictions.
    named = await uow.uploads.blobs_among(keys) | await uow.predictions.blobs_among(keys)
    return [key for key in keys if key not in named]


async def again(uow: PredictionUnitOfWork) -> None:
    """Collect once more, later."""
    uow.enqueue(COLLECT, COLLECT, {}, not_before=uow.now + EVERY)
