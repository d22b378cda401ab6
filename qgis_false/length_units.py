"""Lengths and areas in dialogs and results: in the unit of the CRS along whose axes they are."""

from __future__ import annotations

from typing import Optional

from qgis.core import QgsCoordinateReferenceSystem, QgsUnitTypes

from qgis_false.translation import tr


def in_unit_of(crs: Optional[QgsCoordinateReferenceSystem], text: str) -> str:
    """Return a text that speaks of CRS units with the name of the unit, where there is a CRS.

    Areas are in square metres also where the CRS counts degrees.
    """
    if crs is None or not crs.isValid():
        return text
    unit = crs.mapUnits()
    area = QgsUnitTypes.AreaUnit.AreaSquareMeters if crs.isGeographic() else QgsUnitTypes.distanceToAreaUnit(unit)
    text = text.replace(tr("square CRS units"), QgsUnitTypes.toAbbreviatedString(area))
    return text.replace(tr("CRS units"), QgsUnitTypes.toString(unit))
