"""Who is calling and what they may do: roles, permissions, principals, and their tokens."""

from wakeline_auth.errors import KeysUnavailableError, TokenError
from wakeline_auth.issuer import Issuer
from wakeline_auth.permissions import CONFIDENTIAL, Permission, Role, permissions_of
from wakeline_auth.principal import Principal
from wakeline_auth.settings import AuthSettings
from wakeline_auth.verifier import Verifier

__all__ = [
    "CONFIDENTIAL",
    "AuthSettings",
    "Issuer",
    "KeysUnavailableError",
    "Permission",
    "Principal",
    "Role",
    "TokenError",
    "Verifier",
    "permissions_of",
]
