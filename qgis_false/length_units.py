"""Lengths in dialogs and results: in the unit of the CRS along whose axes they are."""

from __future__ import annotations

from typing import Optional

from qgis.core import QgsCoordinateReferenceSystem, QgsUnitTypes

from qgis_false.translation import tr


def in_unit_of(crs: Optional[QgsCoordinateReferenceSystem], text: str) -> str:
    """Return a text that speaks of CRS units with the name of the unit, where there is a CRS."""
    known = crs is not None and crs.isValid()
    return text.replace(tr("CRS units"), QgsUnitTypes.toString(crs.mapUnits())) if known else text
