"""PyQt6.QtWidgets under its name in QGIS, which leaves three classes where Qt 5 had them."""

from PyQt6.QtGui import QAction, QActionGroup, QShortcut
from PyQt6.QtWidgets import *
