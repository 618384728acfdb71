"""The review service's unit of work on MongoDB."""

from functools import cached_property

from wakeline_messaging import UnitOfWork
from wakeline_review.resources import Resources
from wakeline_review.store.projections import (
    MongoBenchmarks,
    MongoProjects,
    MongoStandings,
    MongoWithdrawals,
)
from wakeline_review.store.reviews import MongoActions, MongoDrafts, MongoReviews
from wakeline_review.store.statistics import MongoDays, MongoTeams


class MongoReviewUnitOfWork(UnitOfWork[Resources]):
    """One transaction on the review service's database."""

    @cached_property
    def projects(self) -> MongoProjects:
        """The latest configuration of every project."""
        return MongoProjects(self.collection("projects"))

    @cached_property
    def benchmarks(self) -> MongoBenchmarks:
        """Trusted labels."""
        return MongoBenchmarks(self.collection("benchmarks"))

    @cached_property
    def reviews(self) -> MongoReviews:
        """Every label that was ever submitted."""
        return MongoReviews(self.collection("reviews"))

    @cached_property
    def actions(self) -> MongoActions:
        """What managers did about reviews."""
        return MongoActions(self.collection("actions"))

    @cached_property
    def withdrawals(self) -> MongoWithdrawals:
        """Images that are not to be had."""
        return MongoWithdrawals(self.collection("withdrawals"))

    @cached_property
    def standings(self) -> MongoStandings:
        """What is known of the people of every stage."""
        return MongoStandings(self.collection("standings"))

    @cached_property
    def days(self) -> MongoDays:
        """How people do, day by day."""
        return MongoDays(self.collection("days"))

    @cached_property
    def teams(self) -> MongoTeams:
        """What an hour of each team costs, and who is in it."""
        return MongoTeams(self.collection("teams"))

    @cached_property
    def drafts(self) -> MongoDrafts:
        """Corrections that came too late."""
        return MongoDrafts(self.collection("drafts"), self.now)
