"""Models that people's labels made: their card, how they run, and how their maps become shapes.

Who reads cards only has ``wakeline_models.card`` and needs no onnxruntime.
"""
