"""PyQt6.QtSvg under its name in QGIS."""

from PyQt6.QtSvg import *
