"""Shapes on images: their wire form, their rasters, and how alike two of them are."""
