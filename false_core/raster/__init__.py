"""Pixels on disk: what a raster holds, its statistics, how it is cut into tiles, how a map is written."""
