"""A broker that knows its clients by their certificates."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.broker.conftest import BrokerProcess, free_port

from wakeline_messaging import KafkaSettings
from wakeline_messaging.kafka import consumer, create_topics, producer, topics
from wakeline_messaging.refusals import KafkaRefusesError, connected
from wakeline_testing.certificates import Authority
from wakeline_testing.fronts import tls_front

pytestmark = pytest.mark.kafka


async def test_every_kind_of_client_shows_its_certificate_and_without_one_none_gets_in(
    embedded: Callable[..., BrokerProcess], tmp_path: Path
) -> None:
    authority, stranger = Authority(tmp_path / "ca"), Authority(tmp_path / "other")
    port = free_port()
    broker = embedded("--advertised-port", str(port))
    front = tls_front(broker.bootstrap, authority.issue("broker"), clients=authority, port=port)
    mine, other = (one.issue("wakeline-review") for one in (authority, stranger))
    async with front as bootstrap:
        settings = KafkaSettings(
            bootstrap=bootstrap,
            security_protocol="SSL",
            ca_file=authority.ca_file,
            cert_file=mine.cert_file,
            key_file=mine.key_file,
        )
        assert await create_topics(settings) == topics(settings)
        async with producer(settings) as sending:
            await sending.send_and_wait("wakeline.review", b"a verdict")
        async with consumer(settings, "labeling") as reading:
            reading.subscribe(["wakeline.review"])
            assert (await reading.getone()).value == b"a verdict"
        for which, files in (
            ("a", {"cert_file": None, "key_file": None}),
            ("another", {"cert_file": other.cert_file, "key_file": other.key_file}),
        ):
            with pytest.raises(KafkaRefusesError, match=f"Or it asks for {which} certificate"):
                async with connected(settings.model_copy(update=files)):
                    pass
