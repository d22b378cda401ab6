"""Running a network over a raster: how it is cut into tiles, the one loop over them, and what is made of their results."""
