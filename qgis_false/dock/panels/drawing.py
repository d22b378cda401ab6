"""Drawing: the tools on the canvas, and undo and redo of what they drew."""

from __future__ import annotations

from typing import Callable, Dict, List, Optional

from qgis.core import QgsGeometry
from qgis.gui import QgsMapCanvas
from qgis.PyQt.QtWidgets import QLabel, QPushButton, QSpinBox, QToolButton, QWidget

from false_core.session_protocol import Outlined
from qgis_false.dock.drawing import DEFAULT_STROKE_PX, LabelTool, OutlineTool, PointTool, PolygonTool, StrokeTool
from qgis_false.dock.label_file import LabelClass
from qgis_false.dock.labelling import Labelling
from qgis_false.dock.panels.panel import Panel, row
from qgis_false.translation import tr


class DrawingPanel(Panel):
    """The tools that draw labels.

    Attributes:
        buttons: The buttons of the tools by name.
        tools: The tools of the canvas by name, while a raster is worked on.
    """

    def __init__(self, canvas: QgsMapCanvas) -> None:
        super().__init__()
        self._canvas = canvas
        self._class: Optional[LabelClass] = None
        self.tools: Dict[str, LabelTool] = {}
        self.buttons: Dict[str, QToolButton] = {}
        shown = (
            ("polygon", tr("Polygon"), tr("Click each corner. Enter or a right click completes the polygon.")),
            ("stroke", tr("Stroke"), tr("Hold the button and draw as with a brush.")),
            ("point", tr("Point"), tr("Click: one pixel becomes a label.")),
            ("outline", tr("Outline"), tr("Click: what is like it is outlined. The wheel says how far. Enter accepts it.")),
        )
        buttons: List[QWidget] = []
        for name, text, tip in shown:
            button = QToolButton()
            button.setText(text)
            button.setToolTip(tip)
            button.setCheckable(True)
            button.clicked.connect(lambda _, name=name: self.use(name))
            self.buttons[name] = button
            buttons.append(button)
        self.rows.addLayout(row(*buttons))
        self._stroke_width = QSpinBox()
        self._stroke_width.setRange(2, 200)
        self._stroke_width.setValue(DEFAULT_STROKE_PX)
        self._stroke_width.setSuffix(" px")
        self._stroke_width.setToolTip(tr("Pixels on the screen."))
        self._stroke_width.valueChanged.connect(self._set_stroke_width)
        self.rows.addLayout(row(QLabel(tr("Width of a stroke")), self._stroke_width))
        self._undo, self._redo = QPushButton(tr("Undo")), QPushButton(tr("Redo"))
        self._undo.setToolTip("Ctrl+Z")
        self._redo.setToolTip("Ctrl+Y")
        self._undo.clicked.connect(self.undo)
        self._redo.clicked.connect(self.redo)
        self.rows.addLayout(row(self._undo, self._redo))

    def begin(self, work: Labelling) -> None:
        """Make the tools."""
        super().begin(work)
        outline = OutlineTool(self._canvas)
        outline.asked.connect(work.outline)
        self.tools = {
            "polygon": PolygonTool(self._canvas),
            "stroke": StrokeTool(self._canvas),
            "point": PointTool(self._canvas, work.pixel_at),
            "outline": outline,
        }
        for name, tool in self.tools.items():
            tool.drawn.connect(self._add_label)
            tool.activated.connect(lambda name=name: self.buttons[name].setChecked(True))
            tool.deactivated.connect(lambda name=name: self.buttons[name].setChecked(False))
        self._set_stroke_width(self._stroke_width.value())
        work.conversation.outlined.connect(self._on_outlined)
        work.edits.edited.connect(self._show_undo)
        self._class = None
        self._show_undo()

    def end(self) -> None:
        """Take the tools off the canvas."""
        super().end()
        for tool in self.tools.values():
            self._canvas.unsetMapTool(tool)
            tool.dispose()
        self.tools = {}

    def use(self, name: str) -> None:
        """Draw with a tool from now on."""
        self._canvas.setMapTool(self.tools[name])
        self._canvas.setFocus()

    def draw_as(self, one: Optional[LabelClass]) -> None:
        """Draw labels of a class from now on; of none where there are no classes."""
        self._class = one
        if one is not None:
            for tool in self.tools.values():
                tool.set_colour(one.color)

    def attempt(self, do: Callable[[], object]) -> None:
        """Do something, say it where it fails, and show what can be undone then."""
        super().attempt(do)
        self._show_undo()

    def is_drawing(self) -> bool:
        """Return whether one of the tools is in use."""
        return self._canvas.mapTool() in self.tools.values()

    def complete(self) -> None:
        """Make a label of what is drawn."""
        tool = self._tool()
        if tool is not None:
            tool.complete()

    def cancel(self) -> bool:
        """Forget what is drawn. Return whether there was anything."""
        tool = self._tool()
        if tool is None or not tool.is_drawing():
            return False
        tool.cancel()
        return True

    def remove(self) -> bool:
        """Take back a step of what is drawn, or else remove the labels that are selected. Return whether there was any."""
        if self._step_back():
            return True
        work = self.work
        chosen = work.labels.selectedFeatureIds() if work is not None else []
        if work is not None and chosen:
            self.attempt(lambda: work.edits.remove(chosen))
        return bool(chosen)

    def undo(self, *_: object) -> None:
        """Take back a step of what is drawn, or else the last change of the labels."""
        if not self._step_back() and self.work is not None:
            self.attempt(self.work.edits.undo)

    def redo(self, *_: object) -> None:
        """Do again what was undone."""
        if self.work is not None:
            self.attempt(self.work.edits.redo)

    def _step_back(self) -> bool:
        tool = self._tool()
        if tool is None or not tool.is_drawing():
            return False
        tool.step_back()
        return True

    def _tool(self) -> Optional[LabelTool]:
        tool = self._canvas.mapTool()
        return tool if isinstance(tool, LabelTool) else None

    def _set_stroke_width(self, width: int) -> None:
        if self.tools:
            self.tools["stroke"].width_px = width

    def _add_label(self, shape: QgsGeometry) -> None:
        work, one = self.work, self._class
        if work is None:
            return
        if one is None:
            self.said.emit(tr("Add a class first."), True)
            return
        crs = self._canvas.mapSettings().destinationCrs()
        self.attempt(lambda: work.add_label(shape, crs, one.code))

    def _show_undo(self, *_: object) -> None:
        self._undo.setEnabled(self.work is not None and self.work.edits.can_undo())
        self._redo.setEnabled(self.work is not None and self.work.edits.can_redo())

    def _on_outlined(self, answer: Outlined) -> None:
        if self.work is None:
            return
        if not answer.wkb:
            self.tools["outline"].cancel()
            self.said.emit(tr("Nothing can be outlined there: the raster ends, or shows nothing."), True)
            return
        shape = QgsGeometry()
        shape.fromWkb(bytes.fromhex(answer.wkb))
        there = self.work.from_raster(shape, self._canvas.mapSettings().destinationCrs())
        if there is not None:
            self.tools["outline"].show_outline(there)
