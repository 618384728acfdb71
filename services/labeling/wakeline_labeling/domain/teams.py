"""Whose work a stage is."""

from typing import NamedTuple

from wakeline_events.configuration import StagePolicy


class Colleague(NamedTuple):
    """Somebody who works for a team, as stages see them."""

    team_id: str | None
    internal: bool
    """Known to be in no vendor's team."""
    labels: bool
    reviews: bool

    def works_in(self, stage: StagePolicy) -> bool:
        """Whether a stage has work for them: labels to make, or to review."""
        at_home = (self.labels or self.reviews) and self.team_id == stage.team
        return at_home or (self.reviews and stage.reviewed_by(self.team_id, internal=self.internal))
