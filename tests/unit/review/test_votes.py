"""What several people say of a whole image."""

from wakeline_geometry.reliability import Vote
from wakeline_geometry.shapes import Annotation, Box, Classification
from wakeline_review.domain import votes

HULL = Annotation(id="b", class_name="hull", geometry=Box(corners=(0, 0, 5, 5)))
PEOPLE = {"t.0.1": "ann", "t.1.1": "bob", "t.2.1": "cid"}


def sea(name: str) -> Annotation:
    return Annotation(id="c", class_name=name, geometry=Classification())


def test_the_majority_decides_while_nobody_is_known() -> None:
    labels = {"t.0.1": [sea("calm")], "t.1.1": [sea("rough")], "t.2.1": [sea("rough")]}
    found = votes.decided(labels, PEOPLE, [], [HULL, sea("calm")])
    assert [(one.class_name, one.id) for one in found] == [("hull", "b"), ("rough", "class")]


def test_who_was_right_before_outweighs_those_who_were_not() -> None:
    history = []
    for number in range(200):
        truth, other = ("calm", "rough") if number % 2 else ("rough", "calm")
        cast = {"ann": truth, "dan": truth, "eve": truth}
        cast |= {"bob": other if number % 3 else truth, "cid": truth if number % 5 else other}
        cast["cid"] = other if number % 4 < 2 else truth
        history += [Vote(f"i{number}", who, said) for who, said in cast.items()]
    labels = {"t.0.1": [sea("calm")], "t.1.1": [sea("rough")], "t.2.1": [sea("rough")]}
    (found,) = votes.decided(labels, PEOPLE, history, [])
    assert found.class_name == "calm"


def test_where_somebody_says_two_things_or_nothing_all_stays_as_it_was() -> None:
    proposed = [HULL]
    for odd in ([], [sea("calm"), sea("rough")]):
        labels = {"t.0.1": odd, "t.1.1": [sea("calm")]}
        assert votes.decided(labels, PEOPLE, [], proposed) is proposed
