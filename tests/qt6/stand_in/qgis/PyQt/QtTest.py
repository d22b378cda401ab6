"""PyQt6.QtTest under its name in QGIS."""

from PyQt6.QtTest import *
