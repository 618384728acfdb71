"""Routes for the operator that every service has: how far it is, events in trouble, replays."""

from wakeline_process.operations.routes import operations_router

__all__ = ["operations_router"]
