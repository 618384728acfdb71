"""Rules of webhooks."""

import dataclasses
import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook as Oracle

from wakeline_lineage.domain import webhooks
from wakeline_lineage.domain.errors import ReceiverNotAllowedError
from wakeline_sdk.webhooks import InvalidSignatureError, verify

SECRET = webhooks.secret_of(bytes(range(32)))
MOMENT = 1_780_000_000
positions = st.lists(st.integers(1, 50), unique=True, max_size=12).map(sorted)


def headers(body: bytes, moment: int = MOMENT) -> dict[str, str]:
    return {
        "Webhook-Id": "m1",
        "Webhook-Timestamp": str(moment),
        "Webhook-Signature": webhooks.signature(SECRET, "m1", moment, body),
    }


def test_the_signature_is_that_of_the_standard() -> None:
    moment = dt.datetime.fromtimestamp(MOMENT, dt.UTC)
    expected = Oracle(SECRET).sign("m1", moment, '{"a":1}')
    assert webhooks.signature(SECRET, "m1", MOMENT, b'{"a":1}') == expected


def test_a_receiver_tells_a_message_of_ours_from_any_other() -> None:
    verify(SECRET, headers(b"{}"), b"{}", now=MOMENT + 10)
    other = webhooks.secret_of(b"another secret of thirty-two byt")
    for secret, sent, body, now in (
        (SECRET, headers(b"{}"), b"{ }", MOMENT),
        (other, headers(b"{}"), b"{}", MOMENT),
        (SECRET, headers(b"{}"), b"{}", MOMENT + 301),
        (SECRET, {}, b"{}", MOMENT),
        (SECRET, headers(b"{}") | {"Webhook-Id": "m2"}, b"{}", MOMENT),
    ):
        with pytest.raises(InvalidSignatureError):
            verify(secret, sent, body, now=now)


@given(positions, st.sets(st.integers(1, 50)), st.integers(50, 60))
def test_the_cursor_never_passes_what_is_not_delivered(
    page: list[int], done: set[int], end: int
) -> None:
    cursor, behind = webhooks.advanced(0, done, page, end)
    left = [position for position in page if position not in done]
    assert cursor == (left[0] - 1 if left else end)
    assert behind == (frozenset(p for p in done if p > left[0]) if left else frozenset())


@pytest.mark.parametrize(
    "url",
    [
        "http://receiver/",
        "http://receiver:8081/",
        "https://receiver:8080@evil.example/",
        "http://evil.example:8080/#@receiver:8080",
        "file:///etc/passwd",
        "http://receiver:8080/#x",
        "http://receiver:99999/",
        "receiver:8080",
        "http://",
        " http://receiver:8080/",
        "http://receiver:8080/a\n",
        "http://rece\tiver:8080/",
        "http://receiver:8080/a b",
        "http://receiver:8080/ä",
    ],
)
def test_a_url_is_refused_unless_its_host_and_port_are_on_the_list(url: str) -> None:
    with pytest.raises(ReceiverNotAllowedError):
        webhooks.receiver_of(url, ["receiver:8080"])


def test_case_and_the_schemes_port_make_no_difference() -> None:
    assert webhooks.receiver_of("https://Receiver.example/x", ["receiver.EXAMPLE:443"]) == (
        "receiver.example",
        443,
    )


@pytest.mark.parametrize(
    ("host", "address", "called"),
    [
        ("hook.svc", "10.1.2.3", True),
        ("hook.svc", "192.168.0.9", True),
        ("127.0.0.1", "127.0.0.1", True),
        ("localhost", "127.0.0.1", True),
        ("hook.svc", "127.0.0.1", False),
        ("hook.svc", "::1", False),
        ("hook.svc", "169.254.169.254", False),
        ("169.254.169.254", "169.254.169.254", False),
        ("hook.svc", "::ffff:169.254.169.254", False),
        ("hook.svc", "fe80::1", False),
        ("hook.svc", "0.0.0.0", False),
        ("hook.svc", "224.0.0.1", False),
    ],
)
def test_a_name_leads_to_the_network_and_not_to_this_machine_or_its_credentials(
    host: str, address: str, called: bool
) -> None:
    assert (webhooks.forbidden_address(host, address) is None) == called


def test_pauses_double_up_to_five_minutes() -> None:
    pauses = [webhooks.pause_after(n, 0).total_seconds() for n in (1, 2, 3, 9, 10, 10_000)]
    assert pauses == [1, 2, 4, 256, 300, 300]
    assert webhooks.pause_after(1, 0.99).total_seconds() > 0.7


def test_a_receiver_is_held_from_the_first_refusal_of_the_event_that_is_next() -> None:
    start = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
    day = dt.timedelta(days=1)
    fresh = webhooks.Webhook("w", "u", (), SECRET, True, 10, frozenset(), 1, start)
    assert webhooks.held_since(fresh, 10, None, start) is None
    assert webhooks.held_since(fresh, 10, "HTTP 500", start) == start
    held = dataclasses.replace(fresh, held_since=start)
    assert webhooks.held_since(held, 10, "HTTP 500", start + day) == start
    assert webhooks.held_since(held, 11, "HTTP 500", start + day) == start + day  # it took one
    assert webhooks.held_since(held, 10, None, start + day) is None
