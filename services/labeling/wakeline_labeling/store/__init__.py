"""MongoDB behind the ports: one module an aggregate."""
