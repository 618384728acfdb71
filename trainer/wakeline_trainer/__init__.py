"""The built-in trainers: one run of the trainer contract, for masks of objects or for boxes."""
