"""Who may work at a stage, and how much at once, as use cases see it."""

from typing import Protocol

from wakeline_labeling.domain.exams import Exam


class Exams(Protocol):
    """Exams, one a stage and person."""

    async def get(self, stage_id: str, person_id: str) -> Exam | None:
        """One exam, if it was ever taken."""

    async def page(self, stage_id: str, after: str, limit: int) -> list[Exam]:
        """Exams of a stage by person, from after this one on."""

    async def count_held(self, stage_id: str, person_id: str) -> int:
        """How many benchmarks of a stage a person holds."""

    async def begin_again(self, before: Exam, after: Exam) -> None:
        """Put the next attempt in the place of one that failed; at once, and once."""

    def put(self, exam: Exam) -> None:
        """Store an exam."""


class OpenLeases(Protocol):
    """Leases that are out."""

    async def living(self, stage_id: str, person_id: str | None, team_id: str | None) -> list[str]:
        """The slots of a stage that a person, or a team, has living leases of; the oldest first."""
