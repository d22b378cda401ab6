"""GDAL, which is not there."""
