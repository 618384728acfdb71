"""What the platform may be made to read from the network: nothing that is not on the list."""

from ipaddress import ip_network

import pytest

from wakeline_ingest.domain.addresses import (
    UrlRules,
    file_name_of,
    is_allowed,
    redirected,
    refuse_addresses,
    refuse_url,
    shown,
)
from wakeline_ingest.domain.errors import FileRefusedError

RULES = UrlRules(hosts=("images.example.org", "*.cdn.example.org", "lab:8080", "[::1]:80"))


@pytest.mark.parametrize(
    "url",
    [
        "https://images.example.org/a.png?sig=1#x",
        "https://IMAGES.example.org./a.png",
        "https://images.example.org:443/a.png",
        "https://eu.cdn.example.org/a.png",
        "https://lab:8080/a.png",
    ],
)
def test_hosts_on_the_list_are_read(url: str) -> None:
    assert refuse_url(url, RULES).scheme == "https"


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://images.example.org/a.png", "scheme-not-allowed"),
        ("file:///etc/passwd", "scheme-not-allowed"),
        ("gopher://images.example.org/", "scheme-not-allowed"),
        ("//images.example.org/a.png", "scheme-not-allowed"),
        ("https://user:pw@images.example.org/a.png", "credentials-in-url"),
        ("https://images.example.org@evil.example/a.png", "credentials-in-url"),
        ("https://evil.example/a.png", "host-not-allowed"),
        ("https://images.example.org.evil.example/a.png", "host-not-allowed"),
        ("https://cdn.example.org/a.png", "host-not-allowed"),
        ("https://images.example.org:8443/a.png", "host-not-allowed"),
        ("https://lab/a.png", "host-not-allowed"),
        ("https://127.0.0.1/a.png", "host-not-allowed"),
        ("https:///a.png", "invalid-url"),
        ("https://images.example.org:x/a.png", "invalid-url"),
        ("https://images.example.org/a b.png", "invalid-url"),
        ("https://images.example.org\\@evil.example/", "invalid-url"),
        ("https://images.example.org/\r\nHost: evil", "invalid-url"),
        ("https://images.ex\u00e4mple.org/a.png", "invalid-url"),
        ("https://images.example.org/" + "a" * 2_000, "invalid-url"),
    ],
)
def test_everything_else_is_refused_with_its_reason(url: str, code: str) -> None:
    with pytest.raises(FileRefusedError) as caught:
        refuse_url(url, RULES)
    assert caught.value.code == code


@pytest.mark.parametrize("location", ["http://[", "//[::1", "http://[x]/"])
def test_a_redirect_to_what_is_no_url_is_refused(location: str) -> None:
    with pytest.raises(FileRefusedError) as caught:
        refuse_url(redirected("https://images.example.org/a.png", location), RULES)
    assert caught.value.code == "invalid-url"


def test_by_default_nothing_is_read() -> None:
    with pytest.raises(FileRefusedError, match="host"):
        refuse_url("https://images.example.org/a.png", UrlRules())


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254", "0.0.0.0"),
        *("100.64.0.1", "224.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1"),
        *("::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1", "::ffff:127.0.0.1"),
        *("::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::"),
    ],
)
def test_addresses_that_are_not_public_are_refused(address: str) -> None:
    assert not is_allowed(address, ())
    with pytest.raises(FileRefusedError):
        refuse_addresses("host", ["93.184.216.34", address], RULES)


def test_public_addresses_and_networks_that_are_named_are_read() -> None:
    assert is_allowed("93.184.216.34", ())
    assert is_allowed("2606:2800:220:1:248:1893:25c8:1946", ())
    assert is_allowed("10.1.2.3", (ip_network("10.1.0.0/16"),))
    assert not is_allowed("10.2.2.3", (ip_network("10.1.0.0/16"),))


def test_a_file_is_called_by_the_end_of_its_path_and_rights_to_read_are_not_shown() -> None:
    parts = refuse_url("https://images.example.org/x/a%20b.png?sig=secret", RULES)
    assert file_name_of(parts) == "a b.png"
    assert (
        shown("https://images.example.org/a.png?sig=secret") == "https://images.example.org/a.png"
    )
