"""The person, or machine, on whose behalf a request is made."""

from dataclasses import dataclass

from wakeline_auth.permissions import Permission, Role, permissions_of


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is calling, as their token says. ``person_id`` is opaque: it may enter events."""

    person_id: str
    roles: frozenset[Role]
    team_id: str | None = None
    name: str | None = None
    """For display to the person themselves only; it never enters an event or a log line."""

    def may(self, permission: Permission) -> bool:
        """Whether any of the principal's roles carries the permission."""
        return permission in permissions_of(self.roles)
