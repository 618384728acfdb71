"""The client in its synchronous form."""
