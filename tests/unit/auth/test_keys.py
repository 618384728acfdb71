"""Where an issuer's keys come from, and what happens when they change or are away."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import orjson
import pytest
from joserfc.jwk import OctKey, RSAKey
from pydantic import ValidationError

from wakeline_auth import AuthSettings, Issuer, KeysUnavailableError, TokenError, Verifier


class JwksServer(HTTPServer):
    """Serves one document and counts how often it was asked for."""

    document = b"{}"
    status = 200
    requests = 0


class _Handler(BaseHTTPRequestHandler):
    server: JwksServer

    def do_GET(self) -> None:
        self.server.requests += 1
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(self.server.document)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def jwks_server() -> Iterator[JwksServer]:
    with JwksServer(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def url_of(server: JwksServer) -> str:
    return f"http://127.0.0.1:{server.server_port}/jwks"


def jwks_of(*issuers: Issuer) -> bytes:
    return orjson.dumps({"keys": [key for issuer in issuers for key in issuer.jwks()["keys"]]})


def test_a_rotated_key_in_a_file_is_found_without_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wakeline_auth.keys._RELOAD_EVERY_SECONDS", 0.0)
    old, new = Issuer.create(), Issuer.create()
    file = tmp_path / "jwks.json"
    file.write_bytes(jwks_of(old))
    verifier = Verifier(AuthSettings(issuer="wakeline", jwks_file=file))
    assert verifier.verify(old.mint("a", [])).person_id == "a"
    with pytest.raises(TokenError):
        verifier.verify(new.mint("b", []))
    file.write_bytes(jwks_of(old, new))
    assert verifier.verify(new.mint("b", [])).person_id == "b"


def test_invented_key_ids_do_not_make_us_ask_the_issuer_each_time(jwks_server: JwksServer) -> None:
    issuer = Issuer.create()
    jwks_server.document = jwks_of(issuer)
    verifier = Verifier(AuthSettings(issuer="wakeline", jwks_url=url_of(jwks_server)))
    verifier.verify(issuer.mint("a", []))
    for _ in range(20):
        with pytest.raises(TokenError):
            verifier.verify(Issuer.create().mint("b", []))
    assert jwks_server.requests == 1


def test_keys_that_cannot_be_read_are_not_the_callers_fault(
    jwks_server: JwksServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wakeline_auth.keys._PAUSE_SECONDS", 0.0)
    issuer = Issuer.create()
    jwks_server.status = 500
    verifier = Verifier(AuthSettings(issuer="wakeline", jwks_url=url_of(jwks_server)))
    with pytest.raises(KeysUnavailableError):
        verifier.verify(issuer.mint("a", []))
    jwks_server.status, jwks_server.document = 200, jwks_of(issuer)
    assert verifier.verify(issuer.mint("a", [])).person_id == "a"


def test_an_issuer_that_is_away_matters_only_for_keys_that_are_not_known(
    jwks_server: JwksServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wakeline_auth.keys._RELOAD_EVERY_SECONDS", 0.0)
    monkeypatch.setattr("wakeline_auth.keys._FRESH_SECONDS", 0.0)
    known, unknown = Issuer.create(), Issuer.create()
    jwks_server.document = jwks_of(known)
    verifier = Verifier(AuthSettings(issuer="wakeline", jwks_url=url_of(jwks_server)))
    verifier.verify(known.mint("a", []))
    jwks_server.status = 503
    assert verifier.verify(known.mint("b", [])).person_id == "b"
    asked = jwks_server.requests
    for _ in range(5):
        with pytest.raises(KeysUnavailableError):
            verifier.verify(unknown.mint("c", []))
    assert jwks_server.requests - asked <= 1, "those who come after a failure wait for nothing"
    assert verifier.verify(known.mint("d", [])).person_id == "d"


def test_a_key_that_the_issuer_withdrew_is_not_trusted_for_ever(
    jwks_server: JwksServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = Issuer.create(), Issuer.create()
    jwks_server.document = jwks_of(old, new)
    verifier = Verifier(AuthSettings(issuer="wakeline", jwks_url=url_of(jwks_server)))
    verifier.verify(old.mint("a", []))
    jwks_server.document = jwks_of(new)
    assert verifier.verify(old.mint("b", [])).person_id == "b"
    monkeypatch.setattr("wakeline_auth.keys._FRESH_SECONDS", 0.0)
    monkeypatch.setattr("wakeline_auth.keys._RELOAD_EVERY_SECONDS", 0.0)
    with pytest.raises(TokenError) as caught:
        verifier.verify(old.mint("c", []))
    assert caught.value.code == "token-signature"
    assert verifier.verify(new.mint("d", [])).person_id == "d"


def test_keys_for_other_purposes_and_of_unknown_kinds_are_passed_over() -> None:
    issuer = Issuer.create()
    (key,) = issuer.jwks()["keys"]
    encrypting = RSAKey.generate_key(2048, {"kid": "e", "use": "enc"}).as_dict(private=False)
    keys = [{"kty": "AKP", "kid": "later", "alg": "ML-DSA-44", "pub": "eA"}, encrypting, key]
    settings = AuthSettings(issuer="wakeline", jwks=orjson.dumps({"keys": keys}).decode())
    assert Verifier(settings).verify(issuer.mint("a", [])).person_id == "a"


@pytest.mark.parametrize("document", [b"", b"[]", b"{}", b'{"keys": []}', b'{"keys": [{}]}'])
def test_a_document_without_usable_keys_is_refused(document: bytes) -> None:
    settings = AuthSettings(issuer="wakeline", jwks=document.decode())
    with pytest.raises(KeysUnavailableError):
        Verifier(settings).verify(Issuer.create().mint("a", []))


def test_a_shared_secret_in_a_public_key_set_is_no_key() -> None:
    secret = OctKey.generate_key(256, {"kid": "s"}).as_dict(private=True)
    settings = AuthSettings(issuer="wakeline", jwks=orjson.dumps({"keys": [secret]}).decode())
    with pytest.raises(KeysUnavailableError, match="no RSA, EC or OKP key"):
        Verifier(settings).verify(Issuer.create().mint("a", []))


def test_exactly_one_source_of_keys_is_given() -> None:
    with pytest.raises(ValidationError):
        AuthSettings(issuer="wakeline")
    with pytest.raises(ValidationError):
        AuthSettings(issuer="wakeline", jwks="{}", jwks_url="http://idp/jwks")


def test_a_saved_issuer_goes_on_signing_with_the_same_key(tmp_path: Path) -> None:
    issuer = Issuer.create()
    issuer.save(tmp_path / "issuer.json")
    loaded = Issuer.load(tmp_path / "issuer.json")
    verifier = Verifier(AuthSettings(issuer="wakeline", jwks=jwks_of(issuer).decode()))
    assert verifier.verify(loaded.mint("a", [])).person_id == "a"


def test_a_saved_issuer_is_readable_by_its_owner_alone_and_never_overwritten(
    tmp_path: Path,
) -> None:
    path = tmp_path / "issuer.json"
    Issuer.create().save(path)
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        Issuer.create().save(path)


def test_a_public_key_makes_no_issuer(tmp_path: Path) -> None:
    path = tmp_path / "public.json"
    path.write_bytes(orjson.dumps(Issuer.create().jwks()["keys"][0]))
    with pytest.raises(ValueError, match="no Ed25519 private key"):
        Issuer.load(path)


def test_the_public_key_set_holds_nothing_private() -> None:
    (key,) = Issuer.create().jwks()["keys"]
    assert "d" not in key
