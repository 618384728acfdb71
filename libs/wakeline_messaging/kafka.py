"""How a process reaches Kafka, and the topics it finds there."""

from typing import Literal

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code
from aiokafka.helpers import create_ssl_context
from pydantic import BaseModel, ConfigDict, FilePath, SecretStr, model_validator

from wakeline_events.registry import PRODUCERS, topic_of


class KafkaSettings(BaseModel):
    """Where Kafka listens; the same settings drive the embedded broker and a cluster."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    bootstrap: str
    topic_prefix: str = "wakeline"
    partitions: int = 6
    replication: int = 1
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"] = "SCRAM-SHA-512"
    username: str | None = None
    password: SecretStr | None = None
    ca_file: FilePath | None = None
    """Authorities in PEM that may sign the brokers' certificates; None: the system's."""
    cert_file: FilePath | None = None
    """The service's own certificate in PEM, where the brokers know it by that; and its key:"""
    key_file: FilePath | None = None

    @model_validator(mode="after")
    def _fits_its_protocol(self) -> "KafkaSettings":
        needed = self.security_protocol.startswith("SASL")
        for given in (self.username, self.password):
            if (given is not None) != needed:
                raise ValueError(
                    f"{self.security_protocol} goes "
                    f"{'with a username and a password' if needed else 'without a username'}"
                )
        files = (self.ca_file, self.cert_file, self.key_file)
        if any(files) and not self.security_protocol.endswith("SSL"):
            raise ValueError(
                f"{self.security_protocol} goes without certificates: did you mean SSL?"
            )
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file go together")
        return self

    @property
    def user(self) -> str:
        """Who the brokers take this client for, in words."""
        if self.username is not None:
            return f"'{self.username}'"
        return f"of {self.cert_file}" if self.cert_file else "ANONYMOUS"


def client_options(settings: KafkaSettings) -> dict[str, object]:
    """How any Kafka client of ours connects."""
    options: dict[str, object] = {
        "bootstrap_servers": settings.bootstrap,
        "security_protocol": settings.security_protocol,
    }
    if settings.username is not None and settings.password is not None:
        options |= {
            "sasl_mechanism": settings.sasl_mechanism,
            "sasl_plain_username": settings.username,
            "sasl_plain_password": settings.password.get_secret_value(),
        }
    if settings.security_protocol.endswith("SSL"):
        options["ssl_context"] = create_ssl_context(
            cafile=settings.ca_file, certfile=settings.cert_file, keyfile=settings.key_file
        )
    return options


def producer(settings: KafkaSettings) -> AIOKafkaProducer:
    """An idempotent producer that waits for all in-sync replicas."""
    return AIOKafkaProducer(
        **client_options(settings), acks="all", enable_idempotence=True, max_request_size=1_000_000
    )


def consumer(settings: KafkaSettings, group: str) -> AIOKafkaConsumer:
    """A consumer that commits only when told to, and reads a new topic from its beginning."""
    return AIOKafkaConsumer(
        **client_options(settings),
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        session_timeout_ms=10_000,
        heartbeat_interval_ms=2_000,
        max_poll_interval_ms=600_000,
        fetch_max_wait_ms=200,
        metadata_max_age_ms=30_000,
    )


def topics(settings: KafkaSettings) -> list[str]:
    """Every topic of the platform."""
    return sorted(topic_of(producer, settings.topic_prefix) for producer in PRODUCERS)


async def create_topics(settings: KafkaSettings) -> list[str]:
    """Create the topics that are missing, and return their names."""
    admin = AIOKafkaAdminClient(**client_options(settings))
    await admin.start()
    try:
        there = set(await admin.list_topics())
        missing = [name for name in topics(settings) if name not in there]
        if missing:
            answer = await admin.create_topics(
                [
                    NewTopic(
                        name,
                        settings.partitions,
                        settings.replication,
                        # Topics keep everything unless the platform limits it.
                        topic_configs={"retention.ms": "-1"},
                    )
                    for name in missing
                ]
            )
            for name, code, *_ in answer.topic_errors:
                error = for_code(code)
                if code and error is not TopicAlreadyExistsError:
                    raise error(f"topic {name} could not be created")
        return missing
    finally:
        await admin.close()
