"""The tutorial that comes with the plugin: from an image to a map in the dock. ``tools/build_help.py`` makes a page of it.

Standard library only. Its pictures are drawn by ``tools/make_dock_pictures.py``.
"""

from __future__ import annotations

from typing import Callable, List, NamedTuple


class FirstStep(NamedTuple):
    """A step of the tutorial: its heading, what to do, and the name of a picture in ``help/images``, or nothing."""

    heading: str
    text: str
    picture: str = ""


def first_steps(tr: Callable[[str], str]) -> List[FirstStep]:
    """Return the steps, translated by ``tr``."""
    return [
        FirstStep(
            tr("Have something to work on"),
            tr(
                "Add your image to the project, or make one with Raster > FALSE > Make example data. Computing happens in a"
                " Python of its own: where it is missing, the dock says so and has a button that sets it up."
            ),
        ),
        FirstStep(
            tr("Open the dock"),
            tr(
                "Press FALSE: label and map in the toolbar, choose the image, and press Label this raster. The labels go to"
                " a file beside the image at once: there is nothing to save."
            ),
            "digitise_begin.png",
        ),
        FirstStep(
            tr("Name the classes"),
            tr(
                "Press Add... for each class, or take the names from a layer, a text file or a model with From... Every "
                "land cover needs a class, also the one that does not interest you: each pixel becomes one of them."
            ),
        ),
        FirstStep(
            tr("Draw the first labels"),
            tr(
                "Choose a class with its key, 1 to 9, and the tool Polygon. Zoom in, click each corner well inside the "
                "object, and complete the polygon with Enter or a right click. Del takes back the last corner, Esc gives up,"
                " Ctrl+Z takes back a whole label."
            ),
            "digitise_draw.png",
        ),
        FirstStep(
            tr("See the map, and draw where it is wrong"),
            tr(
                "With one label of each of two classes the map appears. Many small labels all over the image teach more "
                "than a large one. Beside each class stands how well its labels are found; wide limits mean that more are "
                "needed."
            ),
            "digitise_map.png",
        ),
        FirstStep(
            tr("Go where a label teaches most"),
            tr("Press N. In the yellow square the map is unsure: draw what you see there, and press N again."),
            "digitise_next_place.png",
        ),
        FirstStep(
            tr("Make the map"),
            tr(
                "Make the map saves the model and maps the whole image. To find out how good the map is, run Sample points "
                "to assess a map, fill them in with the button in the dock, and run Assess a map. Hand in a map then puts "
                "everything into one folder."
            ),
        ),
        FirstStep(
            tr("Do more by scripts"),
            tr(
                "In the folder processing_scripts of the plugin lie scripts that chain the algorithms: a map from a few "
                "labels, a folder of rasters, a curve of how many labels it takes, and a run on a cluster. Processing "
                "Toolbox > Scripts > Add Script to Toolbox takes them."
            ),
        ),
    ]
