"""Receivers of signed events, for whoever runs the platform."""

import secrets
from datetime import UTC, datetime
from uuid import uuid4

import orjson
from fastapi import Response
from pydantic import BaseModel

from wakeline_http import Page, Router, problems
from wakeline_lineage.api.dependencies import (
    LineageCommand,
    LineageReader,
    LineageResources,
    Operator,
)
from wakeline_lineage.api.webhook_models import (
    ReplayIn,
    Resealed,
    WebhookChange,
    WebhookCreated,
    WebhookIn,
    WebhookOut,
    WebhookTested,
)
from wakeline_lineage.domain import errors
from wakeline_lineage.domain.webhooks import SECRET_BYTES
from wakeline_lineage.sealing import SealedSecretError
from wakeline_lineage.store.unit_of_work import MongoLineageUnitOfWork
from wakeline_lineage.usecases import notifying

router = Router(prefix="/v1/webhooks", tags=["webhooks"])


class _Done(BaseModel):
    """Nothing but that it is done."""


@router.post(
    "",
    status_code=201,
    responses=problems(
        errors.ReceiverNotAllowedError,
        errors.UnknownEventTypeError,
        errors.TooManyWebhooksError,
        SealedSecretError,
    ),
)
async def subscribe(
    wanted: WebhookIn, _: Operator, command: LineageCommand, resources: LineageResources
) -> WebhookCreated:
    """Add a receiver. The answer holds the secret that its events are signed with, this once."""
    entropy = secrets.token_bytes(SECRET_BYTES)

    async def add(uow: MongoLineageUnitOfWork) -> WebhookCreated:
        webhook = await notifying.subscribe(
            uow,
            wanted.url,
            wanted.types,
            wanted.after,
            entropy,
            resources.receivers.allowed,
            resources.seal.close,
        )
        lag = await notifying.lag_of(uow, webhook)
        return WebhookCreated(**WebhookOut.of(webhook, lag).model_dump(), secret=webhook.secret)

    # Sealed in the record of the answer too, which is kept for whoever asks again.
    created = await command.run(add, WebhookCreated)
    return created.model_copy(update={"secret": resources.seal.open(created.secret)})


@router.post("/reseal", responses=problems(SealedSecretError))
async def reseal(_: Operator, command: LineageCommand, resources: LineageResources) -> Resealed:
    """Put every webhook's secret under the first key: then the other keys are not needed."""

    async def renew(uow: MongoLineageUnitOfWork) -> Resealed:
        return Resealed(resealed=await notifying.reseal(uow, resources.seal.renewed))

    return await command.run(renew, Resealed)


@router.get("")
async def list_webhooks(_: Operator, reader: LineageReader) -> Page[WebhookOut]:
    """All receivers, oldest first, each with how far it is."""
    found = await reader.webhooks.all()
    lags = [await notifying.lag_of(reader, one) for one in found]
    return Page(items=[WebhookOut.of(one, lag) for one, lag in zip(found, lags, strict=True)])


@router.get("/{webhook_id}", responses=problems(errors.UnknownWebhookError))
async def read_webhook(webhook_id: str, _: Operator, reader: LineageReader) -> WebhookOut:
    """A receiver, how far it is, and why it waits if it does."""
    return await _out(reader, webhook_id)


@router.patch(
    "/{webhook_id}",
    responses=problems(errors.UnknownWebhookError, errors.UnknownEventTypeError),
)
async def change_webhook(
    webhook_id: str, wanted: WebhookChange, _: Operator, command: LineageCommand
) -> WebhookOut:
    """Switch a receiver off or on, or change what it is told; nothing else ever switches it off."""

    async def change(uow: MongoLineageUnitOfWork) -> WebhookOut:
        await notifying.change(uow, webhook_id, enabled=wanted.enabled, types=wanted.types)
        return await _out(uow, webhook_id)

    return await command.run(change, WebhookOut)


@router.delete("/{webhook_id}", status_code=204, responses=problems(errors.UnknownWebhookError))
async def unsubscribe(webhook_id: str, _: Operator, command: LineageCommand) -> Response:
    """Remove a receiver."""

    async def remove(uow: MongoLineageUnitOfWork) -> _Done:
        await notifying.unsubscribe(uow, webhook_id)
        return _Done()

    await command.run(remove, _Done)
    return Response(status_code=204)


@router.post("/{webhook_id}/replay", responses=problems(errors.UnknownWebhookError))
async def replay(
    webhook_id: str, wanted: ReplayIn, _: Operator, command: LineageCommand
) -> WebhookOut:
    """Tell a receiver again from a position or a time on; a later one skips what is between."""

    async def move(uow: MongoLineageUnitOfWork) -> WebhookOut:
        await notifying.replay(uow, webhook_id, wanted.start)
        return await _out(uow, webhook_id)

    return await command.run(move, WebhookOut)


@router.post("/{webhook_id}/test", responses=problems(errors.UnknownWebhookError))
async def send_test(
    webhook_id: str, _: Operator, reader: LineageReader, resources: LineageResources
) -> WebhookTested:
    """Send a signed ``webhook.test`` now, and say what the receiver answered."""
    webhook = await notifying.found(reader, webhook_id)
    body = orjson.dumps({"type": "webhook.test", "timestamp": datetime.now(UTC), "data": {}})
    why = await resources.receivers.send(webhook, f"test-{uuid4().hex}", body)
    return WebhookTested(delivered=why is None, detail=why)


async def _out(uow: MongoLineageUnitOfWork, webhook_id: str) -> WebhookOut:
    webhook = await notifying.found(uow, webhook_id)
    return WebhookOut.of(webhook, await notifying.lag_of(uow, webhook))
