"""Why Kafka does not let a client work, in words that say what to do about it."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from aiokafka.client import AIOKafkaClient
from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaConnectionError,
    KafkaError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
    UnsupportedSaslMechanismError,
)

from wakeline_messaging.kafka import KafkaSettings, client_options
from wakeline_messaging.rights import Right, lacking

NOT_ALLOWED = (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)
"""What a client meets that lacks a right, or a topic."""
PATIENCE = 5.0
"""Seconds for finding out."""


class KafkaRefusesError(Exception):
    """No broker lets this client in; the message says why."""

    code = "kafka-refuses"


async def connect(settings: KafkaSettings) -> AIOKafkaClient:
    """A plain client, for questions.

    Raises
    ------
    KafkaRefusesError
        If no broker answers, or none lets this client in.
    """
    client = AIOKafkaClient(**client_options(settings))
    try:
        await client.bootstrap()
    except BaseException as error:
        await client.close()
        if isinstance(error, KafkaConnectionError):
            raise KafkaRefusesError(await _why_not_connected(settings)) from error
        raise
    return client


@asynccontextmanager
async def connected(settings: KafkaSettings) -> AsyncIterator[AIOKafkaClient]:
    """A plain client, and its end.

    Raises
    ------
    KafkaRefusesError
        As ``connect`` does.
    """
    client = await connect(settings)
    try:
        yield client
    finally:
        await client.close()


async def in_words(settings: KafkaSettings, rights: Sequence[Right], error: Exception) -> str:
    """What a client's error comes from: a right that it lacks, or the way it connects."""
    found = None
    if isinstance(error, (*NOT_ALLOWED, KafkaConnectionError)):
        found = await what_is_wrong(settings, rights)
    return found or f"{type(error).__name__}: {error}"


async def what_is_wrong(settings: KafkaSettings, rights: Sequence[Right]) -> str | None:
    """Which right is missing, or why no broker lets this client in; None if nothing is found."""
    try:
        async with asyncio.timeout(PATIENCE), connected(settings) as client:
            return "; ".join(await lacking(client, rights, settings.user)) or None
    except KafkaRefusesError as refusal:
        return str(refusal)
    except (KafkaError, OSError):  # a time that is over is an OSError too
        return None


async def _why_not_connected(settings: KafkaSettings) -> str:
    """What each broker says to a connection: a client tells only that none of them will do."""
    options = client_options(settings)
    reasons: dict[str, None] = {}
    for host, port, _ in collect_hosts(str(options.pop("bootstrap_servers"))):
        try:
            connection = await create_conn(host, port, request_timeout_ms=2_000, **options)
            connection.close()
            reason = "it let us in just now"
        except (KafkaError, OSError, TimeoutError) as error:
            reason = _of_connection(settings, error)
        reasons[f"Kafka at {host}:{port} is out of reach: {reason}"] = None
    return "; ".join(reasons)


def _of_connection(settings: KafkaSettings, error: Exception) -> str:
    match error:
        case ssl.SSLCertVerificationError():
            trusted = settings.ca_file or "the system"
            return f"its certificate is not trusted by {trusted}: {error.verify_message}"
        case ssl.SSLError():
            return f"it does not speak TLS as {settings.security_protocol} wants it: {error.reason}"
        case SaslAuthenticationFailed():
            return f"it does not know the user {settings.user}, or by another password"
        case UnsupportedSaslMechanismError():
            return f"it does not offer {settings.sasl_mechanism}"
        case KafkaConnectionError() | ConnectionResetError():
            asked = "another" if settings.cert_file else "a"
            wants = f" Or it asks for {asked} certificate." * (settings.security_protocol == "SSL")
            return f"it hung up; is {settings.security_protocol} what listens there?{wants}"
        case _:
            return f"{error}" or type(error).__name__
