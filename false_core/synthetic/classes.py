"""The classes of the truth."""

from false_core.raster.classes import classes_from_values

CROPLAND, MEADOW, ROAD, ROOF, TREE, WATER = 1, 2, 3, 4, 5, 6
NAMES = {CROPLAND: "field", MEADOW: "meadow", ROAD: "road", ROOF: "roof", TREE: "tree", WATER: "water"}
"""Codes in the order of the names, so that labels by code and labels by name give the same map."""

CLASSES = tuple(classes_from_values(list(NAMES.values()), [])[1])
"""The classes with the colours that a map made from the labels has too."""
