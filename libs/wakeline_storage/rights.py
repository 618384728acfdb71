"""What a service must be allowed on MongoDB, and whether it is."""

from typing import Any, Final

from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure, PyMongoError

ROLE: Final = "readWrite"
"""The role on its own database, and on no other, that a service's user has."""
ACTIONS: Final = (
    "find",
    "insert",
    "update",
    "remove",
    "changeStream",
    "createCollection",
    "createIndex",
    "dropIndex",
    "listCollections",
)
"""What of that role is made use of."""
_CHANGES: Final = frozenset({"insert", "update", "remove"})
_AUTHENTICATION_FAILED: Final = 18


async def lacking(client: AsyncMongoClient[dict[str, Any]], database: str) -> list[str]:
    """Say what keeps this client from working with a database. Nothing is written that stays."""
    try:
        hello = await client.admin.command("hello")
        if not hello.get("setName"):
            return ["this MongoDB is no replica set, so it has no transactions: start it as one"]
        if not hello.get("isWritablePrimary"):
            return ["this MongoDB has no primary at the moment"]
        if reasons := await _not_allowed(client, database):
            return reasons
        await _try_a_transaction(client, database)
    except OperationFailure as error:
        if error.code == _AUTHENTICATION_FAILED:
            return ["MongoDB refuses this user: it does not know it, or by another password"]
        return [f"MongoDB refuses: {error.details.get('errmsg') if error.details else error}"]
    except PyMongoError as error:
        return [f"MongoDB is out of reach: {error}"[:500]]
    return []


async def needless(client: AsyncMongoClient[dict[str, Any]], database: str) -> list[str]:
    """The other databases in which this client's user may change something, ``*`` for all."""
    try:
        told = await client.admin.command("connectionStatus", showPrivileges=True)
    except PyMongoError:
        return []
    resources = [
        privilege["resource"]
        for privilege in told["authInfo"]["authenticatedUserPrivileges"]
        if _CHANGES & set(privilege["actions"])
    ]
    names = {
        "*" if each.get("anyResource") else each["db"] or "*"
        for each in resources
        if each.get("anyResource") or not each.get("collection", "-")
    }
    return sorted(names - {database})


async def _not_allowed(client: AsyncMongoClient[dict[str, Any]], database: str) -> list[str]:
    told = await client.admin.command("connectionStatus", showPrivileges=True)
    found = told["authInfo"]
    allowed = {
        action
        for privilege in found["authenticatedUserPrivileges"]
        if _covers(privilege["resource"], database)
        for action in privilege["actions"]
    }
    missing = [action for action in ACTIONS if action not in allowed]
    if not found["authenticatedUsers"] or not missing:
        return []  # who is nobody is let in, or refused below by what it tries
    user = found["authenticatedUsers"][0]["user"]
    what = f"MongoDB user '{user}' may not {', '.join(missing)} in database '{database}'"
    return [f"{what}: grant it the role {ROLE} there"]


def _covers(resource: dict[str, Any], database: str) -> bool:
    """Whether a privilege is about every collection of the database."""
    if resource.get("anyResource"):
        return True
    return resource.get("db") in (database, "") and resource.get("collection") == ""


async def _try_a_transaction(client: AsyncMongoClient[dict[str, Any]], database: str) -> None:
    outbox = client[database]["outbox"]
    async with client.start_session() as session:
        await session.start_transaction()
        try:
            await outbox.insert_one({"_id": "check"}, session=session)
        finally:
            await session.abort_transaction()
