"""The table of roles and permissions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wakeline_auth import CONFIDENTIAL, Permission, Principal, Role, permissions_of

roles = st.frozensets(st.sampled_from(Role))


@given(st.frozensets(st.sampled_from([Role.LABELER, Role.REVIEWER])))
def test_labelers_and_reviewers_reach_nothing_confidential(outside: frozenset[Role]) -> None:
    assert not permissions_of(outside) & CONFIDENTIAL


def test_labelers_and_reviewers_can_do_their_work() -> None:
    assert Permission.LEASE_TASKS in permissions_of(frozenset({Role.LABELER}))
    assert Permission.LEASE_REVIEWS in permissions_of(frozenset({Role.REVIEWER}))
    for role in (Role.LABELER, Role.REVIEWER):
        assert Permission.SEE_WORK in permissions_of(frozenset({role}))


@given(roles, roles)
def test_roles_add_up(some: frozenset[Role], more: frozenset[Role]) -> None:
    assert permissions_of(some | more) == permissions_of(some) | permissions_of(more)


def test_an_admin_may_do_everything_and_a_nobody_nothing() -> None:
    assert permissions_of(frozenset({Role.ADMIN})) == frozenset(Permission)
    assert permissions_of(frozenset()) == frozenset()


def test_an_auditor_changes_nothing() -> None:
    assert {
        permission
        for permission in permissions_of(frozenset({Role.AUDITOR}))
        if not permission.startswith("read-")
    } == {Permission.AUDIT}


@pytest.mark.parametrize("permission", Permission)
def test_every_permission_is_somebody_elses_than_the_admins(permission: Permission) -> None:
    holders = {role for role in Role if permission in permissions_of(frozenset({role}))}
    only_admins = {Permission.ADMINISTER}
    assert (holders == {Role.ADMIN}) == (permission in only_admins)


def test_a_principal_may_what_its_roles_may() -> None:
    engineer = Principal("p", frozenset({Role.ENGINEER}))
    assert engineer.may(Permission.TRAIN_MODELS)
    assert not engineer.may(Permission.MANAGE_TEAMS)
