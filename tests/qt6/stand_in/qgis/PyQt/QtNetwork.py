"""PyQt6.QtNetwork under its name in QGIS."""

from PyQt6.QtNetwork import *
