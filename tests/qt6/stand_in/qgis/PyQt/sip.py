"""PyQt6.sip under its name in QGIS."""

from PyQt6.sip import *
