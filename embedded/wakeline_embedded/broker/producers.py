"""Idempotence in one partition: what each producer wrote last, so that a retry is stored once."""

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from wakeline_embedded.broker.batches import BatchHeader
from wakeline_embedded.broker.errors import Code, RefusedError

_KEPT_BATCHES = 5  # as many as an idempotent producer may have in flight
_EXPIRY_MS = 24 * 3600 * 1000  # Kafka's producer.id.expiration.ms


class _Stored(NamedTuple):
    first_sequence: int
    last_sequence: int
    base_offset: int


@dataclass(slots=True)
class _Producer:
    epoch: int
    seen_ms: int
    batches: deque[_Stored] = field(default_factory=lambda: deque(maxlen=_KEPT_BATCHES))


class ProducerStates:
    """The last batches of every idempotent producer that wrote to a partition.

    Source of the rules: Kafka's ``ProducerAppendInfo`` (KIP-98, KIP-360). A producer not known
    here, new or expired, may start at any sequence.
    """

    def __init__(self) -> None:
        self._producers: dict[int, _Producer] = {}

    def duplicate_of(self, batch: BatchHeader) -> int | None:
        """Offset of the stored batch that this one repeats, or None if it is the next one.

        Raises
        ------
        RefusedError
            If the producer's epoch is over, or a batch before this one is missing.
        """
        known = self._producers.get(batch.producer_id)
        if batch.producer_id < 0 or known is None:
            return None
        if batch.producer_epoch < known.epoch:
            raise RefusedError(Code.INVALID_PRODUCER_EPOCH, f"epoch is {known.epoch} by now")
        if batch.producer_epoch > known.epoch:
            if batch.base_sequence != 0:
                raise RefusedError(Code.OUT_OF_ORDER_SEQUENCE_NUMBER, "new epoch, sequence not 0")
            return None
        for stored in known.batches:
            if stored[:2] == (batch.base_sequence, batch.last_sequence):
                return stored.base_offset
        expected = (known.batches[-1].last_sequence + 1) & 0x7FFFFFFF
        if batch.base_sequence != expected:
            raise RefusedError(
                Code.OUT_OF_ORDER_SEQUENCE_NUMBER,
                f"sequence {batch.base_sequence} where {expected} is due",
            )
        return None

    def record(self, batch: BatchHeader, now_ms: int) -> None:
        """Remember a batch that is in the log, written or read back at ``now_ms``."""
        if batch.producer_id < 0:
            return
        known = self._producers.get(batch.producer_id)
        if known is None or known.epoch != batch.producer_epoch:
            known = self._producers[batch.producer_id] = _Producer(batch.producer_epoch, now_ms)
        known.seen_ms = max(known.seen_ms, now_ms)
        known.batches.append(_Stored(batch.base_sequence, batch.last_sequence, batch.base_offset))

    def expire(self, now_ms: int) -> None:
        """Forget producers that wrote nothing for a day."""
        for producer_id, known in list(self._producers.items()):
            if known.seen_ms < now_ms - _EXPIRY_MS:
                del self._producers[producer_id]
