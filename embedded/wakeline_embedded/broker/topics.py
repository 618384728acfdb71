"""Topics: their names, partitions and configurations, kept in one file of the data folder."""

import json
import logging
import re
import shutil
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

from wakeline_embedded.broker.errors import Code, RefusedError
from wakeline_embedded.broker.files import replace_file
from wakeline_embedded.broker.log import LogLimits, PartitionLog, now_ms

log = logging.getLogger(__name__)

MAX_PARTITIONS = 1000
_NAME = re.compile(r"[a-zA-Z0-9._-]{1,249}")
_PRODUCER_ID_BLOCK = 1000


def _integer(low: int, high: int = 2**63 - 1) -> Callable[[str], bool]:
    def fits(value: str) -> bool:
        return re.fullmatch(r"-?\d{1,19}", value) is not None and low <= int(value) <= high

    return fits


# Default of each topic configuration and what it may be. Nothing is deleted unless a topic says so.
_CONFIGS: dict[str, tuple[str, Callable[[str], bool]]] = {
    "cleanup.policy": ("delete", {"delete"}.__contains__),  # compaction is not built
    "compression.type": ("producer", {"producer"}.__contains__),
    "max.message.bytes": ("1048588", _integer(0, 2**31 - 1)),
    "message.timestamp.type": ("CreateTime", {"CreateTime"}.__contains__),
    "min.insync.replicas": ("1", _integer(1, 1)),
    "retention.bytes": ("-1", _integer(-1)),
    "retention.ms": ("-1", _integer(-1)),
    "segment.bytes": ("134217728", _integer(1024, 2**31 - 1)),
}


def check_name(name: str | None) -> str:
    """Return a legal topic name as it is.

    Raises
    ------
    RefusedError
        If Kafka would not take it either.
    """
    if name is None or not _NAME.fullmatch(name) or name in (".", ".."):
        raise RefusedError(Code.INVALID_TOPIC, f"illegal topic name {name!r}")
    return name


def check_configs(configs: Mapping[str, str | None]) -> dict[str, str]:
    """Return the configurations that are set; None means the default.

    Raises
    ------
    RefusedError
        If a name is unknown here or a value is not supported.
    """
    for name, value in configs.items():
        if name not in _CONFIGS:
            raise RefusedError(Code.INVALID_CONFIG, f"the embedded broker does not know {name}")
        if value is not None and not _CONFIGS[name][1](value):
            raise RefusedError(
                Code.INVALID_CONFIG, f"the embedded broker does not support {name}={value}"
            )
    return {name: value for name, value in configs.items() if value is not None}


class Topic:
    """A topic with the logs of its partitions."""

    def __init__(
        self, directory: Path, partitions: int, configs: Mapping[str, str], *, durable: bool
    ) -> None:
        self.partitions: list[PartitionLog] = []
        self.configs = dict(configs)
        self._directory = directory
        self._durable = durable
        self.extend(partitions)

    @property
    def effective_configs(self) -> dict[str, str]:
        """Every configuration with its value, set or default."""
        return {name: self.configs.get(name, default) for name, (default, _) in _CONFIGS.items()}

    def extend(self, partitions: int) -> None:
        """Open or create partitions until there are so many."""
        for index in range(len(self.partitions), partitions):
            path = self._directory / str(index)
            self.partitions.append(PartitionLog(path, self._limits(), durable=self._durable))

    def configure(self, configs: Mapping[str, str]) -> None:
        """Replace the configurations that are set."""
        self.configs = dict(configs)
        for partition in self.partitions:
            partition.limits = self._limits()

    def _limits(self) -> LogLimits:
        names = (field.replace("_", ".") for field in LogLimits._fields)
        return LogLimits(*(int(self.effective_configs[name]) for name in names))


class Topics:
    """All topics of the broker, its cluster id and its producer ids.

    Layout of the folder: ``broker.json`` with everything but records, and
    ``topics/<topic>/<partition>/`` with the segments.
    """

    def __init__(self, folder: Path, *, durable: bool) -> None:
        self._state_file = folder / "broker.json"
        self._logs = folder / "topics"
        self._durable = durable
        self._logs.mkdir(parents=True, exist_ok=True)
        state = json.loads(self._state_file.read_text()) if self._state_file.exists() else {}
        self.cluster_id: str = state.get("cluster_id") or uuid.uuid4().hex[:22]
        self._next_producer_id: int = state.get("producer_ids", 0)
        self._reserved_producer_ids = self._next_producer_id
        self._topics: dict[str, Topic] = {}
        stored = state.get("topics", {})
        for path in self._logs.iterdir():
            if path.name not in stored:  # a deletion that a crash interrupted
                shutil.rmtree(path)
        for name, known in stored.items():
            self._topics[name] = self._open(name, known["partitions"], known["configs"])
        self._save()

    def names(self) -> list[str]:
        """Return the names of all topics."""
        return list(self._topics)

    def get(self, name: str | None) -> Topic:
        """Return a topic.

        Raises
        ------
        RefusedError
            If there is none of this name; topics are never created by asking for them.
        """
        topic = self._topics.get(check_name(name))
        if topic is None:
            raise RefusedError(Code.UNKNOWN_TOPIC_OR_PARTITION, f"no topic {name}")
        return topic

    def partition(self, name: str | None, index: int) -> PartitionLog:
        """Return the log of a partition, or raise like ``get``."""
        partitions = self.get(name).partitions
        if not 0 <= index < len(partitions):
            raise RefusedError(Code.UNKNOWN_TOPIC_OR_PARTITION, f"no partition {index} of {name}")
        return partitions[index]

    def create(
        self, name: str | None, partitions: int, configs: Mapping[str, str | None], *, dry_run: bool
    ) -> None:
        """Create a topic, or with ``dry_run`` only say whether it could be."""
        name = check_name(name)
        if name in self._topics:
            raise RefusedError(Code.TOPIC_ALREADY_EXISTS, f"topic {name} exists")
        if not 1 <= partitions <= MAX_PARTITIONS:
            raise RefusedError(Code.INVALID_PARTITIONS, f"1 to {MAX_PARTITIONS} partitions")
        accepted = check_configs(configs)
        if not dry_run:
            self._topics[name] = self._open(name, partitions, accepted)
            self._save()
            log.info("topic %s created: %d partitions, %s", name, partitions, accepted)

    def delete(self, name: str) -> None:
        """Delete a topic and its records."""
        topic = self.get(name)
        del self._topics[name]
        self._save()
        for partition in topic.partitions:
            partition.close()
        path = self._logs / name
        if path.exists():
            shutil.rmtree(path)
        log.info("topic %s deleted", name)

    def add_partitions(self, name: str, partitions: int, *, dry_run: bool) -> None:
        """Grow a topic to so many partitions."""
        topic = self.get(name)
        if not len(topic.partitions) < partitions <= MAX_PARTITIONS:
            raise RefusedError(
                Code.INVALID_PARTITIONS,
                f"{name} has {len(topic.partitions)} partitions and may only grow",
            )
        if not dry_run:
            topic.extend(partitions)
            self._save()

    def configure(self, name: str, configs: Mapping[str, str | None], *, dry_run: bool) -> None:
        """Replace a topic's configurations; those not named go back to their defaults."""
        topic = self.get(name)
        accepted = check_configs(configs)
        if not dry_run:
            topic.configure(accepted)
            self._save()
            log.info("topic %s configured: %s", name, accepted)

    def new_producer_id(self) -> int:
        """Return an id that no producer of this data folder ever had."""
        if self._next_producer_id == self._reserved_producer_ids:
            self._reserved_producer_ids += _PRODUCER_ID_BLOCK
            self._save()
        self._next_producer_id += 1
        return self._next_producer_id - 1

    def enforce_retention(self) -> None:
        """Delete what no topic's limits keep."""
        now = now_ms()
        for topic in self._topics.values():
            for partition in topic.partitions:
                partition.enforce_retention(now)

    def close(self) -> None:
        """Close all files."""
        for topic in self._topics.values():
            for partition in topic.partitions:
                partition.close()

    def _open(self, name: str, partitions: int, configs: Mapping[str, str]) -> Topic:
        return Topic(self._logs / name, partitions, configs, durable=self._durable)

    def _save(self) -> None:
        state = {
            "cluster_id": self.cluster_id,
            "producer_ids": self._reserved_producer_ids,
            "topics": {
                name: {"partitions": len(topic.partitions), "configs": topic.configs}
                for name, topic in self._topics.items()
            },
        }
        replace_file(self._state_file, json.dumps(state, indent=1).encode(), durable=self._durable)
