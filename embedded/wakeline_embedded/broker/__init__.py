"""A single-node Kafka-protocol broker on loopback, durable on the local disk, without a JVM."""
