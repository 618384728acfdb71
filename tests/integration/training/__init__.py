"""The training service on real servers, with real child processes."""
