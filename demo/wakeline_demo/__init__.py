"""The demo: the loop turns on a folder of images, with people that are simulated and say so."""
