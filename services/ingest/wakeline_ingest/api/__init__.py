"""The service's routes: they translate and delegate."""
