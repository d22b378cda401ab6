"""The controls of the live map: whether at all, how strongly, and what of it."""

from __future__ import annotations

from typing import List, Tuple

from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtWidgets import QCheckBox, QComboBox, QSlider

from false_core.session_protocol import SHOW_CHANGE, SHOW_CLASSES, SHOW_CONFIDENCE
from qgis_false.dock.finished_maps import hide_layers
from qgis_false.dock.labelling import Labelling
from qgis_false.dock.line import Line
from qgis_false.dock.live_map import CONFIDENCE_COLOURS, DIFFERENCE_COLOUR
from qgis_false.dock.panels.panel import Panel, row
from qgis_false.translation import tr


class LiveMapPanel(Panel):
    """Visibility, opacity and contents of the live map, and what its colours mean.

    It gives way to a finished map that has just been made, and takes its place again when the next label is drawn: through
    one of them nobody could read the colours of the other one.
    """

    def __init__(self) -> None:
        super().__init__()
        self._visible = QCheckBox(tr("Show"))
        self._visible.setChecked(True)
        self._visible.toggled.connect(self._set_visible)
        self._gives_way_to: List[str] = []
        """Ids of the finished maps that are shown in place of the live one."""
        self.opacity = QSlider(Qt.Orientation.Horizontal)
        self.opacity.setRange(0, 100)
        self.opacity.setValue(60)
        self.opacity.setToolTip(tr("Opacity"))
        self.opacity.valueChanged.connect(lambda value: self.work and self.work.live.set_opacity(value / 100))
        self.rows.addLayout(row(self._visible, self.opacity))
        self.shows = QComboBox()
        for text, what in (
            (tr("Classes"), SHOW_CLASSES), (tr("Confidence"), SHOW_CONFIDENCE), (tr("What changed last"), SHOW_CHANGE)
        ):  # fmt: skip
            self.shows.addItem(text, what)
        self.shows.currentIndexChanged.connect(self._set_shown)
        self.rows.addWidget(self.shows)
        self.colour_key = Line()
        self.rows.addWidget(self.colour_key)
        self.shows.currentIndexChanged.connect(self._show_colour_key)

    def begin(self, work: Labelling) -> None:
        """Show the classes, as strongly as the last map."""
        super().begin(work)
        if self._gives_way_to:  # To maps of what was labelled before.
            self._visible.setChecked(True)
        work.live.set_opacity(self.opacity.value() / 100)
        work.live.set_visible(self._visible.isChecked())
        work.edits.edited.connect(self._come_back)
        self.shows.setCurrentIndex(0)

    def give_way(self, the_map: str, raster: str) -> None:
        """Show a finished map of the raster in place of the live one, until the next label is drawn."""
        if self.work is None or self.work.raster.id() != raster:
            return
        gives_way_to = self._gives_way_to
        if self._visible.isChecked() or gives_way_to:
            self._visible.setChecked(False)
            self._gives_way_to = [*gives_way_to, the_map]

    def _come_back(self, *_: object) -> None:
        if self._gives_way_to:
            hide_layers(self._gives_way_to)
            self._visible.setChecked(True)

    def _set_shown(self, *_: object) -> None:
        if self.work is not None:
            self.work.conversation.show_as(self.shows.currentData())

    def _set_visible(self, on: bool) -> None:
        self._gives_way_to = []
        if self.work is not None:
            self.work.live.set_visible(on)

    def hide_map(self, hidden: bool) -> None:
        """Hide the map whatever is chosen, or show it again where that is chosen."""
        if self.work is not None:
            self.work.live.set_visible(not hidden and self._visible.isChecked())

    def _show_colour_key(self, *_: object) -> None:
        """Say what colours mean that the list of classes does not explain."""
        colours: List[Tuple[str, str]] = []
        if self.shows.currentData() == SHOW_CONFIDENCE:
            colours = [(f"{percent}\u00a0%", colour) for percent, colour in CONFIDENCE_COLOURS]
        elif self.shows.currentData() == SHOW_CHANGE:
            colours = [(tr("another class than before"), DIFFERENCE_COLOUR)]
        shown = [f'<font color="{colour}">&#9632;</font>&nbsp;{text}' for text, colour in colours]
        self.colour_key.setText("&nbsp; ".join(shown))
