"""Where a replay begins."""

from wakeline_messaging.replaying import beginning


def test_a_replay_begins_where_it_is_asked_to() -> None:
    assert beginning(7, first=0, at=20) == 7


def test_a_replay_never_skips_forward_over_events_that_were_not_taken_in() -> None:
    assert beginning(50, first=0, at=20) == 20
    assert beginning(None, first=0, at=20) == 20, "nothing is as young as that"


def test_a_replay_begins_at_the_first_event_that_kafka_still_has() -> None:
    assert beginning(0, first=12, at=20) == 12
