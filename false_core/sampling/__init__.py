"""From rasters to training batches."""
