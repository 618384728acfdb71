"""What is said of a broker that does not let a client in."""

import asyncio
import ssl
from pathlib import Path

import pytest

from wakeline_embedded.ports import free_port
from wakeline_messaging import KafkaSettings
from wakeline_messaging.refusals import KafkaRefusesError, connected
from wakeline_testing.certificates import HOST, Authority


async def refusal(settings: KafkaSettings) -> str:
    with pytest.raises(KafkaRefusesError) as caught:
        async with connected(settings):
            pass
    return str(caught.value)


async def test_nobody_listens() -> None:
    port = free_port()
    said = await refusal(KafkaSettings(bootstrap=f"{HOST}:{port}"))
    assert said.startswith(f"Kafka at {HOST}:{port} is out of reach: ")
    assert "Connect call failed" in said


async def test_a_client_shows_its_certificate_and_trusts_only_its_authority(tmp_path: Path) -> None:
    authority, stranger = Authority(tmp_path / "ca"), Authority(tmp_path / "other")
    server, client = authority.issue("broker"), authority.issue("wakeline-review")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server.cert_file, server.key_file)
    context.load_verify_locations(authority.ca_file)
    context.verify_mode = ssl.CERT_REQUIRED
    seen: list[str] = []

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        shown = writer.get_extra_info("peercert")
        seen.append(dict(pair for (pair,) in shown["subject"])["commonName"])
        writer.close()

    listening = await asyncio.start_server(hang_up, HOST, 0, ssl=context)
    async with listening:
        settings = KafkaSettings(
            bootstrap=f"{HOST}:{listening.sockets[0].getsockname()[1]}",
            security_protocol="SSL",
            ca_file=authority.ca_file,
            cert_file=client.cert_file,
            key_file=client.key_file,
        )
        assert "it hung up; is SSL what listens there?" in await refusal(settings)
        assert set(seen) == {"wakeline-review"}
        other = settings.model_copy(update={"ca_file": stranger.ca_file})
        assert f"its certificate is not trusted by {stranger.ca_file}" in await refusal(other)
