"""Where trainers run: as processes beside the service, or as Kubernetes Jobs."""
