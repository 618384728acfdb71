"""The rules of prediction: pure and synchronous."""
