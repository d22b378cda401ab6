"""Pixels on disk: what a raster holds, its statistics, how it is cut into tiles, how a map is written."""

from false_core.untrusted.drivers import allow_by_list

allow_by_list()  # Before the first module here loads GDAL.
