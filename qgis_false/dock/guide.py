"""The help page of the dock: what ``tools/build_help.py`` makes it of. Standard library only."""

from __future__ import annotations

from typing import Callable, List, Tuple


def dock_guide(tr: Callable[[str], str]) -> List[Tuple[str, str]]:
    """Return headings and paragraphs, translated by ``tr``."""
    return [
        (
            tr("What it does"),
            tr(
                "You draw labels on the raster, and the map that is made of them lies under your labels a moment "
                "later. Draw where the map is wrong, and it gets better. When you like it, one button maps the "
                "whole raster."
            ),
        ),
        (
            tr("Begin"),
            tr(
                "Choose a raster and press Label this raster. Add classes by hand, or take them from the style of"
                " a layer, a text file with a name per line, or a model. A double click changes a name or a "
                "colour."
            ),
        ),
        (
            tr("Encoder"),
            tr(
                "The general encoder comes with the installation and suits most images. With an encoder file, one that "
                "was pretrained on your raster looks at it too. None compares colours and texture alone: quicker, and "
                "mostly worse. A model file brings its own, and its classes if there are none yet."
            ),
        ),
        (
            tr("Where labels are kept"),
            tr(
                "In a GeoPackage beside the raster. Where that folder is read-only or temporary, in the folder of the "
                "project, or in that of your documents while the project is not saved. Each label is in the file before you "
                "draw the next one. While another program holds the file, labels are shown in grey and wait in a file of "
                "their own beside it; if the work ends meanwhile, they are taken up when the raster is labelled again. It "
                "is a plain layer: you may edit it with the tools of QGIS or with another program, and the map follows. "
                "The style of the layer is the list of classes."
            ),
        ),
        (
            tr("Draw"),
            tr(
                "Polygon: click each corner; Enter or a right click completes it. Stroke: hold the button and "
                "draw. Point: one pixel. Outline: click, and what is like that place is outlined; the wheel says "
                "how far, Enter or a click into it accepts it."
            ),
        ),
        (
            tr("Keys over the map"),
            tr(
                "1 to 9 choose the class. Enter completes, Esc gives up. Del takes back the last corner, or else "
                "removes the labels that are selected. Ctrl+Z and Ctrl+Y undo and redo. N goes to the next place."
                " They count while one of the four tools is chosen; Del, Ctrl+Z and Ctrl+Y also while a tool of QGIS "
                "selects in the label layer and that is not being edited."
            ),
        ),
        (
            tr("How good it is"),
            tr(
                "Beside each class stands which share of its labels the map finds when it has not learned from "
                "them, with the limits between which it lies in 95 of 100 cases. It is unknown while there are "
                "too few labels. For the map as a whole, take sample points and Assess a map when it is made."
            ),
        ),
        (
            tr("Next place"),
            tr(
                "The map is unsure there, and a label teaches most. Draw what you see in the square, or press N "
                "again to pass it over."
            ),
        ),
        (
            tr("Sample points"),
            tr(
                "Fill in sample points goes through the points that Sample points to assess a map has drawn, with"
                " all maps hidden: 1 to 9 say the class, 0 that it cannot be told, N goes on, Del goes back, Esc "
                "ends it. A class that is not on the map is added to the list like any other. Below stands how "
                "much of the map is right by the points so far, and how sure that is."
            ),
        ),
        (
            tr("Make the map, and improve it"),
            tr(
                "Make the map saves the model beside the raster and runs Classify a raster, which you can cancel."
                " First it says how long that takes, and how much memory and disk; what takes a minute or more waits"
                " for Start, and so does Improve it. The live map gives way to the new one, until you draw the next label. "
                "Improve it pretrains an encoder on this raster while you go on, and goes on with it when it is "
                "done. You may close the dock meanwhile."
            ),
        ),
        (
            tr("A finished map"),
            tr(
                "A finished map overwrites a map of the project by the labels that are selected, or by all, or "
                "compares two maps: which share of the pixels changed, from which class to which, and where. The"
                " result is a new map. Correct a map can also merge and rename classes."
            ),
        ),
        (
            tr("When the computing stops"),
            tr(
                "It begins again by itself and is told all labels. If it keeps stopping, the dock says why, and "
                "Start again tries once more. A project that is opened again finds raster, labels, classes and "
                "encoder in the dock."
            ),
        ),
    ]
