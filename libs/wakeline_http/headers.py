"""Request headers that several services take."""

from typing import Annotated

from fastapi import Header

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="Names this request: sent again within 24 h, it has no second effect.",
    ),
]
"""The caller's name for a POST, 1 to 200 visible ASCII characters: ``key: IdempotencyKey = None``.
"""
