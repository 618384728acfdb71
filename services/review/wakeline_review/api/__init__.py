"""The HTTP side of the review service: translates and delegates."""
