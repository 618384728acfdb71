"""Requests about consumer groups: membership, committed offsets, descriptions."""

from collections.abc import Awaitable
from functools import partial
from typing import Any

from wakeline_embedded.broker.errors import NO_TRANSACTIONS, Code, RefusedError
from wakeline_embedded.broker.files import Flusher
from wakeline_embedded.broker.groups import Groups
from wakeline_embedded.broker.offsets import Committed, OffsetStore
from wakeline_embedded.broker.protocol import Fields, Request, attempted, per_partition
from wakeline_embedded.broker.topics import Topics

_GROUP_COORDINATOR = 0  # the other kind, 1, is for transactions
_MAX_METADATA = 4096  # characters


class GroupApi:
    """Handlers for groups; each is named as in ``protocol.APIS``."""

    def __init__(
        self, topics: Topics, groups: Groups, store: OffsetStore, flusher: Flusher, node: Fields
    ) -> None:
        self._topics = topics
        self._groups = groups
        self._store = store
        self._flusher = flusher
        self._node = node

    def find_coordinator(self, request: Request) -> Fields:
        if getattr(request.body, "coordinator_type", 0) != _GROUP_COORDINATOR:
            code = Code.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
            return {"error_code": code, "error_message": NO_TRANSACTIONS}
        return {"coordinator_id": self._node["node_id"], **self._node}

    async def join_group(self, request: Request) -> Fields:
        body = request.body
        session = body.session_timeout
        try:
            joined = await self._groups.obtain(body.group).join(
                body.member_id or "",
                request.client_id,
                (session, getattr(body, "rebalance_timeout", session)),
                body.protocol_type or "",
                {p.protocol_name: p.protocol_metadata for p in body.group_protocols or ()},
            )
        except RefusedError as refused:
            return {"error_code": refused.code, "member_id": body.member_id}
        members = joined.members.items()
        return {
            "generation_id": joined.generation,
            "group_protocol": joined.protocol,
            "leader_id": joined.leader,
            "member_id": joined.member_id,
            "members": [{"member_id": m, "member_metadata": metadata} for m, metadata in members],
        }

    async def sync_group(self, request: Request) -> Fields:
        body = request.body
        assignments = {a.member_id: a.member_metadata or b"" for a in body.group_assignment or ()}
        try:
            group = self._groups.member_of(body.group)
            mine = await group.sync(body.member_id, body.generation_id, assignments)
        except RefusedError as refused:
            return {"error_code": refused.code}
        return {"member_assignment": mine}

    def heartbeat(self, request: Request) -> Fields:
        body = request.body
        return attempted(
            lambda: self._groups.member_of(body.group).heartbeat(body.member_id, body.generation_id)
        )

    def leave_group(self, request: Request) -> Fields:
        body = request.body
        return attempted(lambda: self._groups.member_of(body.group).leave(body.member_id))

    def offset_commit(self, request: Request) -> Fields | Awaitable[Fields]:
        body = request.body
        accepted: list[tuple[str, int, Committed]] = []
        allowed = attempted(
            lambda: self._groups.obtain(body.consumer_group).check_commit(
                body.consumer_id, body.consumer_group_generation_id
            )
        )

        def accept(topic: str, item: Any) -> Fields:
            metadata = item.metadata or ""
            if len(metadata) > _MAX_METADATA:
                raise RefusedError(Code.OFFSET_METADATA_TOO_LARGE, f"{len(metadata)} characters")
            self._topics.partition(topic, item.partition)
            if not allowed:
                accepted.append((topic, item.partition, Committed(item.offset, metadata)))
            return allowed

        answer = {"topics": per_partition(body.topics, accept)}
        if accepted:
            self._store.commit(body.consumer_group, accepted)
        if self._flusher.enabled:
            return self._flusher.settled(answer, [self._store.fileno()])
        return answer

    def offset_fetch(self, request: Request) -> Fields:
        committed = self._groups.committed(request.body.consumer_group)
        wanted: dict[str, list[int]] = {}
        if request.body.topics is None:  # everything
            for topic, index in committed:
                wanted.setdefault(topic, []).append(index)
        for asked in request.body.topics or ():
            wanted[asked.topic] = asked.partitions or []
        nothing = Committed(-1, "")
        return {
            "topics": [
                {
                    "topic": topic,
                    "partitions": [
                        {"partition": index, **committed.get((topic, index), nothing)._asdict()}
                        for index in indexes
                    ],
                }
                for topic, indexes in wanted.items()
            ]
        }

    def describe_groups(self, request: Request) -> Fields:
        return {"groups": [self._describe(name) for name in request.body.groups or ()]}

    def list_groups(self, request: Request) -> Fields:
        groups = self._groups.all()
        return {"groups": [{"group": g.name, "protocol_type": g.protocol_type} for g in groups]}

    def delete_groups(self, request: Request) -> Fields:
        names = request.body.groups_names or ()
        delete = self._groups.delete
        return {"results": [attempted(partial(delete, name), group_id=name) for name in names]}

    def _describe(self, name: str) -> Fields:
        group = self._groups.find(name)
        if group is None:
            return {"group": name, "state": "Dead"}
        return {
            "group": name,
            "state": group.state,
            "protocol_type": group.protocol_type,
            "protocol": group.protocol,
            "members": [
                {
                    "member_id": member.member_id,
                    "client_id": member.client_id,
                    "client_host": "/127.0.0.1",
                    "member_metadata": member.protocols.get(group.protocol, b""),
                    "member_assignment": member.assignment,
                }
                for member in group.members.values()
            ],
        }
