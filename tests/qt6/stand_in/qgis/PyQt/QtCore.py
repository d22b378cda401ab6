"""PyQt6.QtCore under its name in QGIS."""

from PyQt6.QtCore import *

NULL = None
