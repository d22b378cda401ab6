"""Names for PyQt6, as a QGIS that is made with Qt 6 has them."""
