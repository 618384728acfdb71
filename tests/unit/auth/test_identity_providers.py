"""Tokens as Keycloak and Dex make them, judged by keys that a real server serves."""

import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import orjson
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from pydantic import ValidationError

from wakeline_auth import AuthSettings, KeysUnavailableError, Principal, Role, TokenError, Verifier
from wakeline_testing.certificates import Authority

REALM = "https://id.example.org/realms/labels"
RSA = RSAKey.generate_key(2048, {"kid": "rsa-1", "use": "sig", "alg": "RS256"})
EC = ECKey.generate_key("P-256", {"kid": "ec-1", "use": "sig", "alg": "ES256"})


class _Keys(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        keys = [key.as_dict(private=False) for key in (RSA, EC)]
        self.wfile.write(orjson.dumps({"keys": keys}))

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ca")


@pytest.fixture
def jwks_url(authority: Authority) -> Iterator[str]:
    """A key set behind TLS, with a certificate that only the test's own authority vouches for."""
    issued = authority.issue("idp")
    with HTTPServer(("127.0.0.1", 0), _Keys) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(issued.cert_file, issued.key_file)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"https://127.0.0.1:{server.server_port}/certs"
        server.shutdown()
        thread.join()


def token(key: RSAKey | ECKey, algorithm: str, **claims: Any) -> str:
    usual = {"iss": REALM, "aud": ["wakeline", "account"], "sub": "7f1c", "exp": time.time() + 60}
    header = {"alg": algorithm, "kid": key.kid, "typ": "JWT"}
    return jwt.encode(header, usual | claims, key, algorithms=[algorithm])


def test_a_token_of_keycloak_with_realm_roles_is_a_principal(
    jwks_url: str, authority: Authority
) -> None:
    verifier = Verifier(
        AuthSettings(
            issuer=REALM,
            jwks_url=jwks_url,
            ca_file=authority.ca_file,
            roles_claim="realm_access.roles",
            roles={"ml-labelers": Role.LABELER, "ml-leads": Role.MANAGER},
            team_claim="attributes.vendor",
        )
    )
    found = verifier.verify(
        token(
            RSA,
            "RS256",
            realm_access={"roles": ["offline_access", "ml-labelers", "admin"]},
            attributes={"vendor": "acme"},
        )
    )
    assert found == Principal("7f1c", frozenset({Role.LABELER}), "acme")


def test_a_token_of_dex_with_groups_is_a_principal(jwks_url: str, authority: Authority) -> None:
    verifier = Verifier(
        AuthSettings(
            issuer=REALM,
            jwks_url=jwks_url,
            ca_file=authority.ca_file,
            roles_claim="groups",
            roles={"cv:reviewers": Role.REVIEWER},
        )
    )
    found = verifier.verify(token(EC, "ES256", aud="wakeline", groups=["cv:reviewers", "staff"]))
    assert found == Principal("7f1c", frozenset({Role.REVIEWER}))


def test_a_claim_whose_name_has_dots_is_no_path(jwks_url: str, authority: Authority) -> None:
    claim = "https://wakeline.example/roles"
    settings = AuthSettings(
        issuer=REALM, jwks_url=jwks_url, ca_file=authority.ca_file, roles_claim=claim
    )
    assert Verifier(settings).verify(token(RSA, "RS256", **{claim: ["auditor"]})).roles == {
        Role.AUDITOR
    }


def test_roles_that_are_no_list_are_refused_by_the_name_of_their_claim(
    jwks_url: str, authority: Authority
) -> None:
    settings = AuthSettings(
        issuer=REALM, jwks_url=jwks_url, ca_file=authority.ca_file, roles_claim="a.b"
    )
    with pytest.raises(TokenError, match=r"a\.b must be a list") as caught:
        Verifier(settings).verify(token(RSA, "RS256", a={"b": "admin"}))
    assert caught.value.code == "token-claims"


def test_keys_from_a_server_that_nobody_vouches_for_are_not_taken(jwks_url: str) -> None:
    settings = AuthSettings(issuer=REALM, jwks_url=jwks_url)
    with pytest.raises(KeysUnavailableError, match="certificate"):
        Verifier(settings).verify(token(RSA, "RS256"))


def test_a_role_that_does_not_exist_here_stops_the_start() -> None:
    with pytest.raises(ValidationError, match="roles"):
        AuthSettings.model_validate({"issuer": "i", "jwks": "{}", "roles": {"boss": "emperor"}})
