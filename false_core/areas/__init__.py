"""Areas of a raster, each as one list of numbers: what an encoder sees there, pooled; classified, and compared."""
