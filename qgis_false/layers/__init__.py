"""Layers of QGIS: where their data lie, labels on their way to a job, styles, and results on their way back."""
