"""Real servers for tests, and a corner of them for each test."""

from wakeline_testing.scope import Scope
from wakeline_testing.stack import KafkaAddress, MongoAddress, S3Address, Stack

__all__ = ["KafkaAddress", "MongoAddress", "S3Address", "Scope", "Stack"]
