"""The yardstick of routes: the least that they could be.

Endpoints on the same mongod: lease is one ``find_one_and_update``, submit one transaction of two
documents, a prediction one insert. No principals, no validation, no events, no idempotency.
"""

import os
from typing import Any

import uvicorn
from fastapi import FastAPI, Response
from pymongo import AsyncMongoClient
from pymongo.asynchronous.client_session import AsyncClientSession

app = FastAPI(openapi_url=None)
client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
    os.environ["BARE_DSN"], w="majority", journal=True
)
database = client["benchmark_bare"]


@app.post("/lease", response_model=None)
async def lease() -> dict[str, Any] | Response:
    """Take the next task."""
    row = await database["tasks"].find_one_and_update(
        {"state": "queued"}, {"$set": {"state": "leased"}}, sort=[("_id", 1)]
    )
    return {"task_id": row["_id"]} if row else Response(status_code=404)


@app.post("/submit/{task_id}")
async def submit(task_id: int, label: dict[str, Any]) -> dict[str, Any]:
    """Store a label."""

    async def body(session: AsyncClientSession) -> None:
        await database["tasks"].update_one(
            {"_id": task_id}, {"$set": {"state": "done"}}, session=session
        )
        await database["labels"].insert_one({"task_id": task_id, "label": label}, session=session)

    async with client.start_session() as session:
        await session.with_transaction(body)
    return {"task_id": task_id}


@app.post("/v1/predictions", status_code=201)
async def predict(prediction: dict[str, Any]) -> dict[str, Any]:
    """Store a prediction."""
    await database["predictions"].insert_one({"prediction": prediction})
    return {"stored": 1}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["BARE_PORT"]), access_log=False)
