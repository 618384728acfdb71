"""The HTTP side: routes by resource, which translate and delegate."""
