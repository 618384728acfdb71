"""Consumer groups: membership, rebalances and the rules for committing offsets.

Source of the rules: Kafka's classic group protocol (KIP-62, KIP-134), as its ``GroupCoordinator``
keeps them. A group's members do not survive a restart of the broker: they join again.
"""

import asyncio
import logging
import time
import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from wakeline_embedded.broker.errors import Code, RefusedError
from wakeline_embedded.broker.offsets import Committed, OffsetStore

log = logging.getLogger(__name__)

_SWEEP_INTERVAL = 0.2  # seconds between two looks at the members' session timeouts
_FIRST_JOIN_DELAY = 0.1  # seconds that an empty group waits for more members
_SESSION_MS = 6_000, 1_800_000  # Kafka's defaults for group.min/max.session.timeout.ms


class GroupState(StrEnum):
    """States of a group, under the names that DescribeGroups shows."""

    EMPTY = "Empty"
    PREPARING = "PreparingRebalance"
    COMPLETING = "CompletingRebalance"
    STABLE = "Stable"


class Joined(NamedTuple):
    """A member's place in a new generation; only the leader gets all members' metadata."""

    generation: int
    protocol: str
    leader: str
    member_id: str
    members: Mapping[str, bytes]


@dataclass(eq=False, slots=True)
class Member:
    """One consumer. Timeouts in seconds; ``protocols`` in the member's order of preference."""

    member_id: str
    client_id: str
    session_timeout: float
    rebalance_timeout: float
    protocols: dict[str, bytes]
    last_seen: float = field(default_factory=time.monotonic)
    assignment: bytes = b""
    joining: "asyncio.Future[Joined] | None" = None
    syncing: "asyncio.Future[bytes] | None" = None


class Group:
    """One consumer group and its state machine."""

    def __init__(self, name: str, store: OffsetStore) -> None:
        self.name = name
        self.state = GroupState.EMPTY
        self.generation, self.protocol_type = store.generations.get(name, (0, ""))
        self.protocol = ""
        self.leader: str | None = None
        self.members: dict[str, Member] = {}
        self._store = store
        self._deadline = 0.0
        self._gathering = False

    async def join(
        self,
        member_id: str,
        client_id: str,
        timeouts_ms: tuple[int, int],
        protocol_type: str,
        protocols: dict[str, bytes],
    ) -> Joined:
        """Take a member in and wait for the generation that it becomes part of.

        ``timeouts_ms`` are session and rebalance timeout. A client that hangs up while it waits
        has its task cancelled; a member that nobody knows the id of yet is then forgotten.
        """
        if not _SESSION_MS[0] <= timeouts_ms[0] <= _SESSION_MS[1]:
            raise RefusedError(Code.INVALID_SESSION_TIMEOUT, f"{timeouts_ms[0]} ms")
        if (
            not protocols
            or not protocol_type
            or not self._fits(member_id, protocol_type, protocols)
        ):
            raise RefusedError(Code.INCONSISTENT_GROUP_PROTOCOL, "no protocol in common")
        is_new = not member_id
        if is_new:
            member_id = f"{client_id}-{uuid.uuid4()}"
            member = Member(member_id, client_id, 0, 0, protocols)
            changed = True
        else:
            member = self._member(member_id)
            changed = member.protocols != protocols
        self.members[member_id] = member
        self.protocol_type = protocol_type
        member.protocols = protocols
        member.session_timeout, member.rebalance_timeout = (ms / 1000 for ms in timeouts_ms)
        member.last_seen = time.monotonic()
        unmoved = self.state is GroupState.COMPLETING or (
            self.state is GroupState.STABLE and member_id != self.leader
        )
        if unmoved and not changed:
            return self._joined(member)
        _refuse(member.joining, Code.REBALANCE_IN_PROGRESS)
        waiting: asyncio.Future[Joined] = asyncio.get_running_loop().create_future()
        member.joining = waiting
        self._rebalance()
        try:
            return await waiting
        except asyncio.CancelledError:
            if member.joining is waiting:
                member.joining, member.last_seen = None, time.monotonic()
                if is_new:
                    self._remove(member, "hung up before it had joined")
            raise

    async def sync(
        self, member_id: str, generation: int, assignments: Mapping[str, bytes]
    ) -> bytes:
        """Return the member's assignment, which the leader's own sync brings for everybody."""
        member = self._member(member_id, generation)
        if self.state is GroupState.PREPARING:
            raise RefusedError(Code.REBALANCE_IN_PROGRESS, "join again")
        member.last_seen = time.monotonic()
        if self.state is GroupState.COMPLETING and member_id == self.leader:
            self.state = GroupState.STABLE
            log.info("group %s is stable in generation %d", self.name, self.generation)
            for other in self.members.values():
                other.assignment = assignments.get(other.member_id, b"")
                other.last_seen = member.last_seen
                if other.syncing is not None and not other.syncing.done():
                    other.syncing.set_result(other.assignment)
                other.syncing = None
        if self.state is GroupState.STABLE:
            return member.assignment
        _refuse(member.syncing, Code.REBALANCE_IN_PROGRESS)
        member.syncing = asyncio.get_running_loop().create_future()
        return await member.syncing

    def heartbeat(self, member_id: str, generation: int) -> None:
        """Keep a member alive; raises when it has to join again."""
        self._member(member_id, generation).last_seen = time.monotonic()
        if self.state is GroupState.PREPARING:
            raise RefusedError(Code.REBALANCE_IN_PROGRESS, "join again")

    def leave(self, member_id: str) -> None:
        """Take a member out and give its partitions to the others."""
        self._remove(self._member(member_id), "left")

    def check_commit(self, member_id: str, generation: int) -> None:
        """Raise unless this member, or a client without a group's membership, may commit now."""
        if generation < 0 and not self.members:
            return
        self._member(member_id, generation).last_seen = time.monotonic()
        if self.state is GroupState.COMPLETING:
            raise RefusedError(Code.REBALANCE_IN_PROGRESS, "sync first")

    def sweep(self, now: float) -> None:
        """Remove members that are silent for too long, and end rebalances that are overdue."""
        for member in list(self.members.values()):
            waiting = member.joining or (member.syncing and not member.syncing.done())
            if not waiting and now > member.last_seen + member.session_timeout:
                self._remove(member, "is silent for its session timeout")
        overdue = now > self._deadline
        if self.state is GroupState.PREPARING and overdue:
            self._complete_join()
        elif self.state is GroupState.COMPLETING and overdue:
            for member in [m for m in self.members.values() if m.syncing is None]:
                self._remove(member, "did not sync in time")

    def _fits(self, member_id: str, protocol_type: str, protocols: Mapping[str, bytes]) -> bool:
        others = [m.protocols for m in self.members.values() if m.member_id != member_id]
        if not others:
            return True
        return protocol_type == self.protocol_type and bool(set(protocols).intersection(*others))

    def _member(self, member_id: str, generation: int | None = None) -> Member:
        member = self.members.get(member_id)
        if member is None:
            raise RefusedError(Code.UNKNOWN_MEMBER_ID, f"no member {member_id} in {self.name}")
        if generation is not None and generation != self.generation:
            raise RefusedError(Code.ILLEGAL_GENERATION, f"generation is {self.generation}")
        return member

    def _remove(self, member: Member, reason: str) -> None:
        log.info("group %s: member %s %s", self.name, member.member_id, reason)
        del self.members[member.member_id]
        _refuse(member.joining, Code.UNKNOWN_MEMBER_ID)
        _refuse(member.syncing, Code.UNKNOWN_MEMBER_ID)
        if self.leader == member.member_id:
            self.leader = None
        self._rebalance()

    def _rebalance(self) -> None:
        """Begin a rebalance unless one is under way, and end it if everybody has joined."""
        if self.state is not GroupState.PREPARING:
            for member in self.members.values():
                _refuse(member.syncing, Code.REBALANCE_IN_PROGRESS)
                member.syncing = None
            if self.state is GroupState.EMPTY:
                self._gathering = True
                loop = asyncio.get_running_loop()
                loop.call_later(_FIRST_JOIN_DELAY, self._end_gathering)
            self.state = GroupState.PREPARING
            longest = max((m.rebalance_timeout for m in self.members.values()), default=0)
            self._deadline = time.monotonic() + longest
        if not self._gathering and all(m.joining for m in self.members.values()):
            self._complete_join()

    def _end_gathering(self) -> None:
        self._gathering = False
        if self.state is GroupState.PREPARING:
            self._rebalance()

    def _complete_join(self) -> None:
        for member in [m for m in self.members.values() if m.joining is None]:
            log.info("group %s: member %s did not rejoin", self.name, member.member_id)
            del self.members[member.member_id]
        self.generation += 1
        try:
            self._store.set_generation(self.name, self.generation, self.protocol_type)
        except OSError:
            log.exception("generation %d of %s may not survive", self.generation, self.name)
        if not self.members:
            self.state, self.leader, self.protocol = GroupState.EMPTY, None, ""
            return
        if self.leader not in self.members:
            self.leader = next(iter(self.members))
        self.protocol = self._vote()
        self.state = GroupState.COMPLETING
        now = time.monotonic()
        self._deadline = now + max(m.rebalance_timeout for m in self.members.values())
        for member in self.members.values():
            member.last_seen = now
            if member.joining is not None and not member.joining.done():
                member.joining.set_result(self._joined(member))
            member.joining = None

    def _vote(self) -> str:
        """Return the protocol that all know and most members prefer."""
        shared = set.intersection(*(set(m.protocols) for m in self.members.values()))
        votes = Counter(
            next(name for name in m.protocols if name in shared) for m in self.members.values()
        )
        return votes.most_common(1)[0][0]

    def _joined(self, member: Member) -> Joined:
        members = self.members.values() if member.member_id == self.leader else ()
        metadata = {m.member_id: m.protocols[self.protocol] for m in members}
        return Joined(self.generation, self.protocol, self.leader or "", member.member_id, metadata)


class Groups:
    """All consumer groups of the broker and what they committed."""

    def __init__(self, store: OffsetStore) -> None:
        self._store = store
        self._groups = {name: Group(name, store) for name in {*store.generations, *store.offsets}}

    def all(self) -> list[Group]:
        """Return all groups."""
        return list(self._groups.values())

    def find(self, name: str | None) -> Group | None:
        """Return a group, or None if nobody ever joined it or committed in its name."""
        return self._groups.get(name or "")

    def member_of(self, name: str | None) -> Group:
        """Return the group of a request by a member; raises as for an unknown member."""
        group = self.find(_check_name(name))
        if group is None:
            raise RefusedError(Code.UNKNOWN_MEMBER_ID, f"no group {name}")
        return group

    def obtain(self, name: str | None) -> Group:
        """Return a group, created if it is new."""
        name = _check_name(name)
        if name not in self._groups:
            self._groups[name] = Group(name, self._store)
        return self._groups[name]

    def committed(self, name: str | None) -> Mapping[tuple[str, int], Committed]:
        """Return what a group committed, by topic and partition."""
        return self._store.offsets.get(name or "", {})

    def delete(self, name: str | None) -> None:
        """Forget an empty group and its offsets."""
        group = self.find(name)
        if group is None:
            raise RefusedError(Code.GROUP_ID_NOT_FOUND, f"no group {name}")
        if group.members:
            raise RefusedError(Code.NON_EMPTY_GROUP, f"group {name} has members")
        del self._groups[group.name]
        self._store.forget_group(group.name)

    async def sweep_forever(self) -> None:
        """Watch over session timeouts until cancelled."""
        while True:
            await asyncio.sleep(_SWEEP_INTERVAL)
            now = time.monotonic()
            for group in self.all():
                group.sweep(now)
                if not group.generation and not group.members and not self.committed(group.name):
                    del self._groups[group.name]  # nobody got in


def _check_name(name: str | None) -> str:
    if not name:
        raise RefusedError(Code.INVALID_GROUP_ID, "a group needs a name")
    return name


def _refuse(future: "asyncio.Future[Joined] | asyncio.Future[bytes] | None", code: Code) -> None:
    if future is not None and not future.done():
        future.set_exception(RefusedError(code, "the group rebalances"))
