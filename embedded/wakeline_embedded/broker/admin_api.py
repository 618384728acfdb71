"""Requests about the broker and its topics: metadata, configurations, creation and deletion."""

from functools import partial
from typing import Any

from wakeline_embedded.broker.errors import Code, RefusedError
from wakeline_embedded.broker.offsets import OffsetStore
from wakeline_embedded.broker.protocol import APIS, Fields, Request, attempted, per_partition
from wakeline_embedded.broker.topics import Topics

_TOPIC, _BROKER = 2, 4  # types of configuration resources
_SET_BY_TOPIC, _STATIC, _DEFAULT = 1, 4, 5  # where a configuration's value comes from
_BROKER_CONFIGS = {"auto.create.topics.enable": "false", "num.partitions": "1"}


class AdminApi:
    """Handlers for administration; each is named as in ``protocol.APIS``."""

    def __init__(self, topics: Topics, store: OffsetStore, node: Fields) -> None:
        self._topics = topics
        self._store = store
        self._node = node

    def api_versions(self, request: Request) -> Fields:
        versions = [
            {"api_key": key, "min_version": api.low, "max_version": api.high}
            for key, api in APIS.items()
        ]
        return {"error_code": request.error, "api_versions": versions}

    def metadata(self, request: Request) -> Fields:
        names = self._topics.names() if request.body.topics is None else request.body.topics
        return {
            "brokers": [{"rack": None, **self._node}],
            "cluster_id": self._topics.cluster_id,
            "controller_id": self._node["node_id"],
            "topics": [attempted(partial(self._describe, name), topic=name) for name in names],
        }

    def init_producer_id(self, request: Request) -> Fields:
        if request.body.transactional_id is not None:
            return {"error_code": Code.TRANSACTIONAL_ID_AUTHORIZATION_FAILED}
        return {"producer_id": self._topics.new_producer_id(), "producer_epoch": 0}

    def create_topics(self, request: Request) -> Fields:
        create = partial(self._create, dry_run=request.body.validate_only)
        items = request.body.create_topic_requests or ()
        return {"topic_errors": [attempted(partial(create, i), topic=i.topic) for i in items]}

    def delete_topics(self, request: Request) -> Fields:
        names = request.body.topics or ()
        return {"topic_error_codes": [attempted(partial(self._delete, n), topic=n) for n in names]}

    def create_partitions(self, request: Request) -> Fields:
        add = partial(self._topics.add_partitions, dry_run=request.body.validate_only)
        return {
            "topic_errors": [
                attempted(partial(add, item.topic, item.new_partitions.count), topic=item.topic)
                for item in request.body.topic_partitions or ()
            ]
        }

    def describe_configs(self, request: Request) -> Fields:
        return self._per_resource(request, self._configs_of)

    def alter_configs(self, request: Request) -> Fields:
        return self._per_resource(request, partial(self._alter, dry_run=request.body.validate_only))

    def delete_records(self, request: Request) -> Fields:
        return {"topics": per_partition(request.body.topics, self._delete_records)}

    def _describe(self, name: str) -> Fields:
        node = self._node["node_id"]
        return {
            "partitions": [
                {"partition": index, "leader": node, "replicas": [node], "isr": [node]}
                for index in range(len(self._topics.get(name).partitions))
            ]
        }

    def _create(self, item: Any, *, dry_run: bool) -> None:
        if item.replication_factor not in (-1, 1):
            raise RefusedError(Code.INVALID_REPLICATION_FACTOR, "there is only one broker")
        count = 1 if item.num_partitions == -1 else item.num_partitions
        if item.replica_assignment:
            if any(a.replicas != [self._node["node_id"]] for a in item.replica_assignment):
                raise RefusedError(Code.INVALID_REPLICA_ASSIGNMENT, "there is only one broker")
            count = len(item.replica_assignment)
        configs = {c.config_key: c.config_value for c in item.configs or ()}
        self._topics.create(item.topic, count, configs, dry_run=dry_run)

    def _delete(self, name: str) -> None:
        self._topics.delete(name)
        self._store.forget_topic(name)

    def _per_resource(self, request: Request, action: Any) -> Fields:
        return {
            "resources": [
                attempted(
                    partial(action, item),
                    resource_type=item.resource_type,
                    resource_name=item.resource_name,
                )
                for item in request.body.resources or ()
            ]
        }

    def _configs_of(self, item: Any) -> Fields:
        if item.resource_type == _TOPIC:
            topic = self._topics.get(item.resource_name)
            values = topic.effective_configs
            sources = {n: _SET_BY_TOPIC if n in topic.configs else _DEFAULT for n in values}
        elif item.resource_type == _BROKER:
            values, sources = _BROKER_CONFIGS, dict.fromkeys(_BROKER_CONFIGS, _STATIC)
        else:
            raise RefusedError(Code.INVALID_REQUEST, f"resource type {item.resource_type}")
        return {
            "config_entries": [
                {
                    "config_names": name,
                    "config_value": value,
                    "read_only": item.resource_type == _BROKER,
                    "config_source": sources[name],
                }
                for name, value in values.items()
                if item.config_names is None or name in item.config_names
            ]
        }

    def _alter(self, item: Any, *, dry_run: bool) -> None:
        if item.resource_type != _TOPIC:
            raise RefusedError(Code.INVALID_REQUEST, "only topics can be configured")
        configs = {c.config_name: c.config_value for c in item.config_entries or ()}
        self._topics.configure(item.resource_name, configs, dry_run=dry_run)

    def _delete_records(self, topic: str, item: Any) -> Fields:
        partition = self._topics.partition(topic, item.partition)
        return {"low_watermark": partition.delete_before(item.offset)}
