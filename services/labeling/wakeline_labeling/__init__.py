"""The labeling service: projects, teams, tasks, leases and the labels that people submit."""
