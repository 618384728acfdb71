"""Which tokens prove something, and which do not."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey

from wakeline_auth import AuthSettings, Issuer, Principal, Role, TokenError, Verifier

Change = Callable[[dict[str, Any]], None]


@dataclass
class Clock:
    """A clock that stands still until it is moved; in seconds since 1970."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def issuer(clock: Clock) -> Issuer:
    return Issuer.create(clock=clock)


@pytest.fixture
def verifier(issuer: Issuer, clock: Clock) -> Verifier:
    settings = AuthSettings(issuer=issuer.issuer, jwks=orjson.dumps(issuer.jwks()).decode())
    return Verifier(settings, clock=clock)


def base64url(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def code_of(verifier: Verifier, token: str) -> str:
    with pytest.raises(TokenError) as caught:
        verifier.verify(token)
    return caught.value.code


def signed(issuer: Issuer, change: Change, **header: object) -> str:
    """A token of the issuer's own key whose claims were changed before signing."""
    claims = json.loads(base64.urlsafe_b64decode(issuer.mint("p", []).split(".")[1] + "=="))
    change(claims)
    kid = issuer.jwks()["keys"][0]["kid"]
    return jwt.encode(
        {"alg": "Ed25519", "kid": kid, **header}, claims, issuer._key, algorithms=["Ed25519"]
    )


def test_a_minted_token_proves_who_it_was_minted_for(issuer: Issuer, verifier: Verifier) -> None:
    token = issuer.mint("p-1", [Role.LABELER, Role.REVIEWER], team_id="vendor", name="Ada")
    assert verifier.verify(token) == Principal(
        "p-1", frozenset({Role.LABELER, Role.REVIEWER}), "vendor", "Ada"
    )


def test_an_expired_token_proves_nothing(issuer: Issuer, verifier: Verifier, clock: Clock) -> None:
    token = issuer.mint("p", [], ttl=timedelta(minutes=5))
    clock.now += 310
    assert code_of(verifier, token) == "token-expired"


def test_a_token_expires_although_it_is_remembered(
    issuer: Issuer, verifier: Verifier, clock: Clock
) -> None:
    token = issuer.mint("p", [], ttl=timedelta(minutes=5))
    principal = verifier.verify(token)
    clock.now += 299
    assert verifier.remembered(token) is principal
    clock.now += 10
    assert verifier.remembered(token) is None
    assert code_of(verifier, token) == "token-expired"


def test_a_remembered_token_is_judged_again_in_case_its_key_was_withdrawn(
    issuer: Issuer, verifier: Verifier, clock: Clock
) -> None:
    token = issuer.mint("p", [], ttl=timedelta(days=3650))
    principal = verifier.verify(token)
    clock.now += 599
    assert verifier.remembered(token) is principal
    clock.now += 2
    assert verifier.remembered(token) is None
    assert verifier.verify(token) == principal
    assert verifier.remembered(token) is not None


def test_a_changed_claim_breaks_the_signature(issuer: Issuer, verifier: Verifier) -> None:
    header, payload, signature = issuer.mint("p", [Role.LABELER]).split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    forged = f"{header}.{base64url({**claims, 'roles': ['admin']})}.{signature}"
    assert code_of(verifier, forged) == "token-signature"


def test_a_token_of_another_issuers_key_proves_nothing(verifier: Verifier) -> None:
    assert code_of(verifier, Issuer.create().mint("p", [Role.ADMIN])) == "token-signature"


def test_an_unsigned_token_proves_nothing(issuer: Issuer, verifier: Verifier) -> None:
    payload = issuer.mint("p", [Role.ADMIN]).split(".")[1]
    assert code_of(verifier, f"{base64url({'alg': 'none'})}.{payload}.") == "token-signature"


def test_the_public_key_does_not_serve_as_a_shared_secret(
    issuer: Issuer, verifier: Verifier
) -> None:
    public = issuer.jwks()["keys"][0]
    secret = OctKey.import_key(public["x"])
    claims = {"iss": "wakeline", "aud": "wakeline", "sub": "p", "exp": 2_000_000_000}
    forged = jwt.encode({"alg": "HS256", "kid": public["kid"]}, claims, secret, ["HS256"])
    assert code_of(verifier, forged) == "token-signature"


@pytest.mark.parametrize(
    "change",
    [
        lambda claims: claims.pop("sub"),
        lambda claims: claims.pop("exp"),
        lambda claims: claims.pop("aud"),
        lambda claims: claims.pop("iss"),
        lambda claims: claims.update(sub=""),
        lambda claims: claims.update(sub=7),
        lambda claims: claims.update(iss="https://elsewhere.example"),
        lambda claims: claims.update(aud="another-product"),
        lambda claims: claims.update(exp="tomorrow"),
        lambda claims: claims.update(roles="admin"),
    ],
    ids=lambda change: None,
)
def test_a_missing_or_wrong_claim_is_named_as_the_cause(
    issuer: Issuer, verifier: Verifier, change: Change
) -> None:
    assert code_of(verifier, signed(issuer, change)) == "token-claims"


def test_a_token_for_later_is_not_valid_yet(
    issuer: Issuer, verifier: Verifier, clock: Clock
) -> None:
    token = signed(issuer, lambda claims: claims.update(nbf=clock.now + 60))
    assert code_of(verifier, token) == "token-not-yet-valid"


def test_one_audience_among_several_is_enough(issuer: Issuer, verifier: Verifier) -> None:
    token = signed(issuer, lambda claims: claims.update(aud=["other", "wakeline"]))
    assert verifier.verify(token).person_id == "p"


def test_roles_of_other_systems_mean_nothing(issuer: Issuer, verifier: Verifier) -> None:
    token = signed(issuer, lambda claims: claims.update(roles=["labeler", "sudo", 5, None]))
    assert verifier.verify(token).roles == {Role.LABELER}


@pytest.mark.parametrize(
    "token",
    ["", ".", "..", "a.b.c", "é.é.é", "\ud800.a.b", "x" * 9_000, "bm90IGpzb24.e30.e30", "a" * 100],
    ids=range(9),
)
def test_what_is_no_token_is_called_malformed(verifier: Verifier, token: str) -> None:
    assert code_of(verifier, token) == "token-malformed"


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (RSAKey.generate_key(2048, {"kid": "k"}), "RS256"),
        (ECKey.generate_key("P-256", {"kid": "k"}), "ES256"),
    ],
    ids=["RS256", "ES256"],
)
def test_tokens_of_usual_identity_providers_are_accepted(
    key: RSAKey | ECKey, algorithm: str, clock: Clock
) -> None:
    jwks = KeySet([key]).as_dict(private=False)
    settings = AuthSettings(issuer="https://idp.example", jwks=orjson.dumps(jwks).decode())
    claims = {
        "iss": "https://idp.example",
        "aud": ["wakeline", "account"],
        "sub": "f3c1",
        "exp": clock.now + 60,
        "iat": clock.now,
        "roles": ["engineer", "offline_access"],
    }
    token = jwt.encode({"alg": algorithm, "kid": "k"}, claims, key, [algorithm])
    principal = Verifier(settings, clock=clock).verify(token)
    assert principal == Principal("f3c1", frozenset({Role.ENGINEER}))


def test_the_memory_of_tokens_is_bounded(
    issuer: Issuer, verifier: Verifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wakeline_auth.verifier._CACHE_SIZE", 3)
    tokens = [issuer.mint(f"p-{n}", []) for n in range(5)]
    for token in tokens:
        verifier.verify(token)
    assert [verifier.remembered(token) is not None for token in tokens] == [0, 0, 1, 1, 1]
