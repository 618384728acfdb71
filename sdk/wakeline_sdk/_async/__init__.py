"""The client in its asynchronous form, from which the synchronous one is generated."""
