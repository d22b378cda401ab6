"""The requests to a labelling session, and its answers: one JSON object per line each way.

``python -m false_core.session`` computes for a person who draws labels. The first request is ``open``; every other one may
come at any time, and any number of times. A later request of the same kind takes the place of an earlier one that is not
answered yet, labels excepted, which add up. Every request has a number, which its answers carry.

The answers begin with ``started`` and end with one of ``finished`` or ``failed``, as the events of a job do. In between come
``message`` and ``progress`` at any time, and the answers to requests. A request that cannot be done is answered with
``refused``, and the session goes on. Standard library only, Python 3.9: the QGIS plugin imports this module too.
"""

from __future__ import annotations

import base64
import binascii
import math
import zlib
from dataclasses import dataclass
from typing import Optional, Tuple, Union, get_args

from false_core.errors import presentable
from false_core.events import LONGEST_MESSAGE, Failed, Finished, Message, Progress, Started
from false_core.line_protocol import ProtocolError, Vocabulary

SESSION_VERSION = 2
"""Version of this protocol. A session says its own in ``opened``."""
LONGEST_SESSION_LINE = 32_000_000
"""Characters of a line. Pictures of large screens are the longest."""
MAX_VIEW_PX = 8192
"""Pixels along a side of a view."""
MAX_VIEW_AREA_PX = 40_000_000
"""Pixels of a view."""
NO_CLASS = 0
"""Code of a pixel of a picture that has no class: nodata, beyond the raster, or not known yet. No class has it."""
NO_PERCENT = 255
"""Value of such a pixel where confidences are shown."""
MAX_CODE = 254
SHOW_CLASSES, SHOW_CONFIDENCE, SHOW_CHANGE = "classes", "confidence", "change"
"""The contents of a picture: codes of classes, the probability of the class in percent, or 1 where the class is another one
than before the last change of the labels."""
MAX_PLACES = 1000


# --- Requests -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Open:
    """Open a raster and what looks at it.

    Attributes:
        raster: A file or another name of a raster, as jobs take it.
        encoder: An encoder file that was pretrained on the raster, or nothing.
        model: A model file to go on from, or nothing: its encoders and classes, and its map until there are labels.
        weights: ``"general"``: the general encoder looks at the raster too. ``"none"``: it does not.
        bands: Numbers of the bands from 1; none: all, or those of the encoder or model.
        device: Device, as jobs take it.
        smoothing: Width of the smoothing of the map, in units of the CRS, as ``finetune`` takes it.
        seed: Source of all chance.
    """

    number: int
    raster: str
    encoder: str = ""
    model: str = ""
    weights: str = "general"
    bands: Tuple[int, ...] = ()
    device: str = "auto"
    smoothing: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class ClassEntry:
    """A class: its code on the map, 1 to ``MAX_CODE``, its name, and its colour as ``#rrggbb``."""

    code: int
    name: str
    color: str


@dataclass(frozen=True)
class SetClasses:
    """Say which classes there are, in place of all that were said before. Labels of other codes wait for theirs."""

    number: int
    classes: Tuple[ClassEntry, ...]


@dataclass(frozen=True)
class Label:
    """A label.

    Attributes:
        id: Names it from now on; a label with the same one is replaced.
        code: The code of its class.
        wkb: Its geometry as hexadecimal well-known binary, in the CRS of the raster: a polygon, a line or a point, or
            several of them.
    """

    id: int
    code: int
    wkb: str


@dataclass(frozen=True)
class ChangeLabels:
    """Add, change and remove labels. Very many may come in several requests, of which all but the last have ``more``."""

    number: int
    changed: Tuple[Label, ...] = ()
    removed: Tuple[int, ...] = ()
    more: bool = False


@dataclass(frozen=True)
class View:
    """Show a part of the map, now and whenever the labels change, until another view is asked for.

    Attributes:
        extent: xmin, xmax, ymin, ymax in the CRS of the raster.
        width, height: Size of the picture in pixels, at most ``MAX_VIEW_PX`` each and ``MAX_VIEW_AREA_PX`` in all.
        shows: ``SHOW_CLASSES``, ``SHOW_CONFIDENCE`` or ``SHOW_CHANGE``.
    """

    number: int
    extent: Tuple[float, ...]
    width: int
    height: int
    shows: str = SHOW_CLASSES


@dataclass(frozen=True)
class Score:
    """Say how good the map is, from labels that are held out in turn. Answered with ``sessionscores``."""

    number: int


@dataclass(frozen=True)
class Suggest:
    """Say where a label would teach most, best first. Answered with ``suggestedplaces``.

    Attributes:
        places: Number of places wanted.
    """

    number: int
    places: int = 20


@dataclass(frozen=True)
class Outline:
    """Outline what is like the pixel at a click and connected with it. Answered with ``outlined``.

    Attributes:
        x, y: The click, in the CRS of the raster.
        reach: Greatest difference from that pixel, from 0 to 1. A click with another reach at the same place is answered at
            once.
    """

    number: int
    x: float
    y: float
    reach: float = 0.25


@dataclass(frozen=True)
class Save:
    """Write a model file that maps what the views show. Answered with ``saved``.

    Attributes:
        path: The file to write.
        labels: File that the labels are kept in, over which the model is not written; nothing where there is none.
    """

    number: int
    path: str
    labels: str = ""


@dataclass(frozen=True)
class Withdraw:
    """Take back a request that is answered once. Answered with ``withdrawn``.

    Attributes:
        asked: Number of that request.
    """

    number: int
    asked: int


@dataclass(frozen=True)
class Close:
    """End the session."""

    number: int


SessionRequest = Union[Open, SetClasses, ChangeLabels, View, Score, Suggest, Outline, Save, Withdraw, Close]
REQUESTS = Vocabulary("request", get_args(SessionRequest), LONGEST_SESSION_LINE)


# --- Answers ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Opened:
    """A raster is open.

    Attributes:
        protocol: ``SESSION_VERSION`` of the session.
        crs: Its CRS as well-known text, or nothing.
        extent: xmin, xmax, ymin, ymax in its CRS.
        pixel_size: Side of a pixel of the file, in units of the CRS.
        working_pixel: Side of a pixel that is computed on. Smaller differences are not seen.
        width, height: Size in pixels of the file.
        classes: Classes of the model that is gone on from.
        device: The device that computes.
    """

    number: int
    protocol: int
    crs: str
    extent: Tuple[float, ...]
    pixel_size: float
    working_pixel: float
    width: int
    height: int
    classes: Tuple[ClassEntry, ...] = ()
    device: str = "cpu"


@dataclass(frozen=True)
class Learned:
    """The map has learned from the labels.

    Attributes:
        number: Number of the last request with labels or classes that counts in it.
        labels: Number of labels that it learned from.
        waiting: Number of labels that it will learn from once what they lie on has been looked at.
        outside: Number of labels that do not lie on valid pixels of the raster.
        problem: Reason why there is no map yet, for a person, or nothing.
        seconds: Seconds that learning took.
    """

    number: int
    labels: int
    waiting: int = 0
    outside: int = 0
    problem: str = ""
    seconds: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "problem", presentable(self.problem, LONGEST_MESSAGE))


@dataclass(frozen=True)
class Picture:
    """A view of the map.

    Attributes:
        number: Number of the view.
        labels: Number of the last request with labels or classes that counts in it.
        extent, width, height, shows: The same as was asked for.
        known: Share of the pixels over the raster that are computed, 0 to 1. Below 1 more pictures follow.
        pixels: One byte per pixel, row by row from the top, compressed by zlib, in base64. ``pixels_of`` reads it.
        seconds: Time from the request that made it necessary.
    """

    number: int
    labels: int
    extent: Tuple[float, ...]
    width: int
    height: int
    shows: str
    known: float
    pixels: str
    seconds: float = 0.0


@dataclass(frozen=True)
class ClassScore:
    """The score of a class.

    Attributes:
        code: The code of the class.
        labels: Number of its labels.
        accuracy, low, high: Share of its labels that the map would show as this class (producer's accuracy), each label
            counting alike, and the limits of its 95 % interval; None while there are too few labels.
        missing: Number of further labels that would make it known.
    """

    code: int
    labels: int
    accuracy: Optional[float] = None
    low: Optional[float] = None
    high: Optional[float] = None
    missing: int = 0


@dataclass(frozen=True)
class SessionScores:
    """The scores of the map.

    Attributes:
        number: Number of the request.
        labels: Number of the last request with labels or classes that counts in it.
        accuracy, low, high: Overall accuracy of the map and the limits of its 95 % interval; None while there are too few
            labels.
        classes: The classes, in the order in which they were given.
    """

    number: int
    labels: int
    accuracy: Optional[float] = None
    low: Optional[float] = None
    high: Optional[float] = None
    classes: Tuple[ClassScore, ...] = ()


@dataclass(frozen=True)
class Place:
    """A place to label next.

    Attributes:
        extent: xmin, xmax, ymin, ymax in the CRS of the raster.
        likely, second: Codes of the two classes that are likeliest there, ``NO_CLASS`` where there is none.
        doubt: Uncertainty of the map there, 0 to 1.
    """

    extent: Tuple[float, ...]
    likely: int
    second: int
    doubt: float


@dataclass(frozen=True)
class SuggestedPlaces:
    """Places to label next, the one that teaches most first. Only what has been looked at so far is known."""

    number: int
    labels: int
    places: Tuple[Place, ...] = ()


@dataclass(frozen=True)
class Outlined:
    """The outline of what is like the pixel at a click.

    Attributes:
        number: Number of the request.
        wkb: A polygon as hexadecimal well-known binary in the CRS of the raster; nothing where the click was beyond it.
        likely: Code of the class that the map shows there, or ``NO_CLASS``.
    """

    number: int
    wkb: str
    likely: int = NO_CLASS


@dataclass(frozen=True)
class Saved:
    """A model file was written."""

    number: int
    path: str


@dataclass(frozen=True)
class Withdrawn:
    """A request was taken back, or it was too late for that.

    Attributes:
        number: Number of the request to take it back.
        in_time: True where nothing was done and the request gets no answer; False where none is waiting under that number.
    """

    number: int
    in_time: bool


@dataclass(frozen=True)
class Refused:
    """A request cannot be done. Everything else goes on.

    Attributes:
        number: Number of the request; 0 where the line was none.
        what, remedy, code: The same as in ``Failed``.
    """

    number: int
    what: str
    remedy: str = ""
    code: str = "error"

    def __post_init__(self) -> None:
        for name in ("what", "remedy"):
            object.__setattr__(self, name, presentable(getattr(self, name), LONGEST_MESSAGE))


Answer = Union[
    Started,
    Message,
    Progress,
    Opened,
    Learned,
    Picture,
    SessionScores,
    SuggestedPlaces,
    Outlined,
    Saved,
    Withdrawn,
    Refused,
    Finished,
    Failed,
]
ANSWERS = Vocabulary("event", get_args(Answer), LONGEST_SESSION_LINE)


def packed(pixels: bytes) -> str:
    """Return bytes as ``Picture.pixels`` holds them."""
    return base64.b64encode(zlib.compress(pixels, 1)).decode("ascii")


def pixels_of(picture: Picture) -> bytes:
    """Return the pixels of a picture, one byte each, row by row from the top.

    Raises:
        ProtocolError: They are not as many as the picture has, or cannot be unpacked.
    """
    size = picture.width * picture.height
    if not (0 < picture.width <= MAX_VIEW_PX and 0 < picture.height <= MAX_VIEW_PX):
        raise ProtocolError(f"a picture cannot have {picture.width} x {picture.height} pixels")
    try:
        unpacker = zlib.decompressobj()
        # No more than one byte too many, whatever the line unpacks to.
        pixels = unpacker.decompress(base64.b64decode(picture.pixels, validate=True), size + 1)
    except (binascii.Error, ValueError, zlib.error) as error:
        raise ProtocolError(f"the pixels of a picture cannot be unpacked: {error}") from error
    if len(pixels) != size:
        raise ProtocolError(f"a picture of {size} pixels came with {len(pixels)}")
    return pixels


def is_usable(view: View) -> bool:
    """Return whether a view has an extent and a size that a picture can have."""
    if len(view.extent) != 4 or not all(math.isfinite(value) for value in view.extent):
        return False
    xmin, xmax, ymin, ymax = view.extent
    has_size = 0 < view.width <= MAX_VIEW_PX and 0 < view.height <= MAX_VIEW_PX
    return xmin < xmax and ymin < ymax and has_size and view.width * view.height <= MAX_VIEW_AREA_PX
