"""PyQt6.QtGui under its name in QGIS."""

from PyQt6.QtGui import *
