"""The style of a label layer as a legend: what the classes are called, and which colours they have."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, List, Optional

from qgis.core import QgsMapLayer, QgsVectorLayer

from qgis_false.layers import is_null

LEGEND_FILE = "legend.json"


@dataclass(frozen=True)
class LegendEntry:
    """What one value of the class field is called and how it is drawn."""

    value: Any
    name: str
    color: str


def legend_of(layer: Optional[QgsMapLayer], field: str) -> List[LegendEntry]:
    """Return names and colours of the classes where ``layer`` is styled by categories of ``field``, or an empty list.

    Call it in the main thread: the style belongs to the layer the user sees.
    """
    renderer = layer.renderer() if isinstance(layer, QgsVectorLayer) else None
    if renderer is None or renderer.type() != "categorizedSymbol" or renderer.classAttribute().strip('"') != field:
        return []
    entries = []
    for category in renderer.categories():
        value = category.value()
        # One category can stand for several values in QGIS 3.30 and later.
        for single in value if isinstance(value, (list, tuple)) else [value]:
            if is_null(single) or single == "":
                continue  # "All other values" is no class.
            color = category.symbol().color().name()
            entries.append(LegendEntry(single, category.label().strip() or str(single), color))
    return entries


def write_legend(entries: List[LegendEntry], folder: Path) -> str:
    """Write ``entries`` as a job's ``legend`` into ``folder`` and return the path."""
    path = folder / LEGEND_FILE
    path.write_text(json.dumps([asdict(entry) for entry in entries], default=str), encoding="utf-8")
    return str(path)
