from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wakeline_geometry.reliability import Vote, estimate, likeliest

votes = st.lists(
    st.builds(
        Vote,
        item=st.sampled_from("wxyz"),
        person=st.sampled_from(["ann", "bob", "cid"]),
        said=st.sampled_from(["cat", "dog"]),
    ),
    max_size=20,
)


@given(votes, st.randoms())
def test_probabilities_are_of_every_item_and_the_order_of_votes_plays_no_part(
    given_votes: list[Vote], random: Random
) -> None:
    found = estimate(given_votes)
    assert set(found) == {vote.item for vote in given_votes}
    for probabilities in found.values():
        assert sum(probabilities.values()) == pytest.approx(1)
    shuffled = list(given_votes)
    random.shuffle(shuffled)
    again = estimate(shuffled)
    for item, probabilities in found.items():
        assert again[item] == pytest.approx(probabilities, abs=1e-6)


def test_where_all_agree_they_are_right() -> None:
    agreed = [Vote(item, who, "cat") for item in "ab" for who in ("ann", "bob")]
    assert likeliest(estimate(agreed)["a"]) == "cat"


def test_one_reliable_person_outweighs_two_who_guess() -> None:
    random = Random(7)
    cast = []
    for number in range(300):
        truth = random.choice(["cat", "dog"])
        for who, skill in (("ann", 0.97), ("bob", 0.95), ("cid", 0.55), ("dan", 0.55)):
            wrong = "dog" if truth == "cat" else "cat"
            cast.append(Vote(f"i{number}", who, truth if random.random() < skill else wrong))
    cast += [Vote("x", "ann", "cat"), Vote("x", "cid", "dog"), Vote("x", "dan", "dog")]
    assert likeliest(estimate(cast)["x"]) == "cat"


def test_it_recovers_more_than_the_majority_does() -> None:
    random = Random(11)
    truths, cast = {}, []
    for number in range(400):
        item = f"i{number}"
        truths[item] = random.choice("abc")
        for who, skill in (("ann", 0.95), ("bob", 0.5), ("cid", 0.4), ("dan", 0.45), ("eve", 0.5)):
            right = random.random() < skill
            cast.append(Vote(item, who, truths[item] if right else random.choice("abc")))
    found = estimate(cast)

    def majority(item: str) -> str:
        said = [vote.said for vote in cast if vote.item == item]
        return min(set(said), key=lambda name: (-said.count(name), name))

    by_reliability = sum(likeliest(found[item]) == truth for item, truth in truths.items())
    by_majority = sum(majority(item) == truth for item, truth in truths.items())
    assert by_reliability > by_majority + 20


def test_nothing_said_is_nothing_known() -> None:
    assert estimate([]) == {}
