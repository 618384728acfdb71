"""The chart and the images on a real Kubernetes: ``make test-cluster``."""
