"""Paths of the API, whatever characters the names in them have."""

from urllib.parse import quote


def path(template: str, *names: str) -> str:
    """The template with each ``{}`` filled by a name, quoted so that it stays one segment."""
    return template.format(*(quote(name, safe="") for name in names))
