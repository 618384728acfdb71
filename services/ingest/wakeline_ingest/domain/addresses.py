"""URLs and addresses: what the platform may be made to read from the network."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from pathlib import PurePosixPath
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from wakeline_ingest.domain.errors import FileRefusedError

MOST_CHARACTERS = 2_000
PORTS = {"http": 80, "https": 443}
_ODD = re.compile(r"[^\x21-\x7e]|[\\<>\"^`{|}]")
_TRANSLATED = ip_network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class UrlRules:
    """What may be read. By default nothing."""

    hosts: tuple[str, ...] = ()
    """``host`` or ``host:port``; ``*.example.org`` for all below. Without a port: the scheme's."""
    schemes: tuple[str, ...] = ("https",)
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    """Addresses that are not public, and may be read all the same."""


def refuse_url(url: str, rules: UrlRules) -> SplitResult:
    """Check a URL against the rules; redirects are checked in the same way.

    Raises
    ------
    FileRefusedError
    """
    if len(url) > MOST_CHARACTERS or _ODD.search(url):
        raise _refused("invalid-url", f"a URL is at most {MOST_CHARACTERS:,} plain characters")
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError as error:
        raise _refused("invalid-url", f"it is no URL: {error}") from error
    if parts.scheme not in rules.schemes:
        raise _refused("scheme-not-allowed", f"only {', '.join(rules.schemes)} URLs are read")
    if "@" in parts.netloc:
        raise _refused("credentials-in-url", "no credentials in URLs: they would be written down")
    if not host:
        raise _refused("invalid-url", "it names no host")
    default = PORTS[parts.scheme]
    named = host if port in (None, default) else f"{host}:{port}"
    if not any(fnmatchcase(named, _with_port(allowed, default)) for allowed in rules.hosts):
        raise _refused(
            "host-not-allowed",
            f"{named} is not among the hosts that may be read: the operator names them in "
            "WAKELINE_INGEST_URLS__HOSTS",
        )
    return parts


def redirected(url: str, location: str) -> str:
    """Return where a redirect leads; it is checked like any other URL.

    Raises
    ------
    FileRefusedError
    """
    try:
        return urljoin(url, location)
    except ValueError as error:
        raise _refused("invalid-url", f"it redirects to no URL: {error}") from error


def refuse_addresses(host: str, addresses: Sequence[str], rules: UrlRules) -> None:
    """Check what a host's name stands for: every address, as any of them may be taken.

    Raises
    ------
    FileRefusedError
    """
    if not addresses:
        raise _refused("url-unreachable", f"{host} has no address")
    for address in addresses:
        if not is_allowed(address, rules.networks):
            raise _refused(
                "address-not-allowed",
                f"{host} stands for an address that is not public, and not in "
                "WAKELINE_INGEST_URLS__NETWORKS",
            )


def is_allowed(address: str, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    """Whether an address is public, or in one of the networks."""
    found: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        elif found in _TRANSLATED:
            found = IPv4Address(int(found) & 0xFFFFFFFF)
        elif found.sixtofour is not None and not is_allowed(str(found.sixtofour), networks):
            return False
    if any(found in network for network in networks):
        return True
    return found.is_global and not found.is_multicast


def file_name_of(parts: SplitResult) -> str:
    """Return what an image of a URL is called: the last part of its path."""
    name = unquote(PurePosixPath(parts.path).name)[-400:]
    return name if name and name.isprintable() else "image"


def shown(url: str) -> str:
    """Return a URL without what follows its path: that may be a right to read it."""
    return url.partition("?")[0].partition("#")[0][:400]


def _with_port(allowed: str, default: int) -> str:
    return allowed.removesuffix(f":{default}")


def _refused(code: str, message: str) -> FileRefusedError:
    return FileRefusedError("image", code, message)
