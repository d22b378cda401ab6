"""Stands in for QGIS where there is only PyQt6. ``qgis.PyQt`` is PyQt6 itself; ``core`` and ``gui`` are no QGIS."""
