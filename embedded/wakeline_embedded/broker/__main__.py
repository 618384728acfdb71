"""Run the broker: ``python -m wakeline_embedded.broker --port P --data D [--fsync POLICY]``.

A single-node Kafka for evaluation and small installations: no replication, no
TLS or SASL, no transactions, no compaction, and no automatic creation of topics. Records are kept
for ever unless a topic sets ``retention.ms`` or ``retention.bytes``.

What an acknowledgement promises depends on ``--fsync``:

- ``never`` (default, as Apache Kafka's): the record was handed to the operating system. It
  survives a ``kill -9`` of the broker, but the last seconds may be lost when the machine dies.
- ``group-N``: the record is on the disk; requests wait up to N ms to share one fsync.
- ``always``: the record is on the disk; requests share an fsync only while one is running.
"""

import argparse
import asyncio
import fcntl
import logging
import os
import resource
import signal
import sys
from pathlib import Path

from wakeline_embedded.broker.files import Flusher
from wakeline_embedded.broker.server import HOST, Broker


def _policy(text: str) -> str:
    try:
        Flusher.from_policy(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


async def _serve(options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    broker = Broker(
        options.data,
        options.port,
        options.fsync,
        options.advertised_port,
        host=options.host,
        advertised_host=options.advertised_host,
    )
    await broker.start()
    await broker.run(stop)


def main() -> int:
    """Parse the command line and serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m wakeline_embedded.broker")
    parser.add_argument("--port", type=int, required=True, help="0: any free one")
    parser.add_argument("--host", default=HOST, help="address to listen on")
    parser.add_argument("--data", type=Path, required=True, help="folder for records and offsets")
    parser.add_argument(
        "--fsync", type=_policy, default="never", help="never, always or group-MILLISECONDS"
    )
    parser.add_argument(
        "--advertised-port",
        type=int,
        default=os.environ.get("WAKELINE_BROKER_ADVERTISED_PORT"),
        help="port that clients are told, where they come by a proxy",
    )
    parser.add_argument("--advertised-host", help="name that clients are told; else the address")
    arguments = parser.parse_args()
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    arguments.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Each partition with records keeps one file open.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with (arguments.data / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit(f"another broker is running on {arguments.data}")
        asyncio.run(_serve(arguments))
    return 0


if __name__ == "__main__":
    sys.exit(main())
