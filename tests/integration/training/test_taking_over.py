"""A trainer that outlives its runners: which of their deaths are counted, on real stores."""

from dataclasses import replace

import pytest

from wakeline_testing import Scope
from wakeline_testing.running import Publisher
from wakeline_training.archive import BlobArchive
from wakeline_training.domain import artefacts
from wakeline_training.jobs import jobs
from wakeline_training.ports import Order, Outcome, Watch

from .scenario import configured, due, idle, labels, take_in

pytestmark = [pytest.mark.kafka, pytest.mark.mongo, pytest.mark.s3]


class RunnerDiedError(Exception):
    """Stands for a kill -9: nothing of the runner's own is done after it."""


class Elsewhere:
    """Runs no trainer, and says of one that an earlier runner began how it stands."""

    outlives_runner = True

    def __init__(self) -> None:
        self.ended = False

    async def train(self, order: Order, watch: Watch) -> Outcome:
        if order.taken_over and self.ended:
            return Outcome(0, b"", "")
        await watch(b"", None)
        raise RunnerDiedError

    async def end(self, run_id: str, attempt: int | None = None) -> None:
        raise AssertionError(f"attempt {attempt} at {run_id} was ended")


async def test_deaths_are_excused_as_long_as_the_trainer_goes_on_and_counted_behind_its_end(
    scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    launcher = Elsewhere()
    read = BlobArchive.read

    async def kills(self: BlobArchive, key: str) -> bytes | None:
        if key.endswith(artefacts.DONE):
            raise RunnerDiedError
        return await read(self, key)

    monkeypatch.setattr(BlobArchive, "read", kills)
    async with idle(scope) as runtime:
        await take_in(runtime, Publisher(scope), configured(trigger=8), *labels(8, holdout=6))
        resources = replace(runtime.resources, launcher=launcher)
        await jobs.kinds["freeze"].run(await due(runtime, "freeze", resources))

        async def lost() -> int:
            """Deaths that stand against the job after one more runner died of it."""
            await runtime.database["jobs"].update_many({}, [{"$set": {"not_before": "$$NOW"}}])
            lease = await due(runtime, "train", resources)
            with pytest.raises(RunnerDiedError):
                await jobs.kinds["train"].run(lease)
            row = await runtime.database["jobs"].find_one({"kind": "train"})
            assert row is not None
            assert row["attempt"] == row["lost"] + 1
            deaths: int = row["lost"]
            return deaths

        assert [await lost() for _ in range(4)] == [0, 0, 0, 0]
        launcher.ended = True
        assert [await lost() for _ in range(4)] == [1, 2, 3, 4]
