"""What import jobs do outside of any transaction: read bytes, check them, put them in place."""
