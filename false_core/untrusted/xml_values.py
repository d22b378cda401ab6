"""The values in an XML file of GDAL's, as GDAL understands it: names without capitals, attributes as good as elements.

GDAL's own parser takes an attribute for an element of that name, minds no capitals, and of a text that is interrupted takes
the first piece. What it would read otherwise than this is refused.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass, field
from typing import Any, Dict, Iterable, List, Optional, Set
from xml.parsers import expat


@dataclass(frozen=True)
class XmlValue:
    """One value in an XML file.

    Attributes:
        name: Name of the element or attribute, in small letters.
        text: The text of the element, or the value of the attribute.
        attributes: Attributes of the element, by their names in small letters, with all values that each is given.
        inside: The names of the elements around it, the outermost first.
    """

    name: str
    text: str
    attributes: Dict[str, Set[str]]
    inside: List[str] = field(default_factory=list)


class XmlError(ValueError):
    """It is no XML, or has parts that different readers read differently."""


class XmlValues:
    """Reads the values of elements and attributes of some names.

    Args:
        pieces: The content of the file.
        wanted: The names, in small letters.

    Raises:
        XmlError: It is no XML, or what stands under such a name is not one text.
    """

    def __init__(self, pieces: Iterable[bytes], wanted: Set[str]) -> None:
        self.values: List[XmlValue] = []
        self.names: Set[str] = set()
        self._wanted = wanted
        self._above: List[str] = []
        self._text: Optional[List[str]] = None
        self._attributes: Dict[str, Set[str]] = {}
        # Without a document type there are no entities to blow up or to load.
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._data
        parser.StartDoctypeDeclHandler = self._refuse_doctype
        parser.CommentHandler = parser.StartCdataSectionHandler = parser.ProcessingInstructionHandler = self._interrupt
        # As text, so that no declaration chooses another encoding, and with whatever is no UTF-8 replaced.
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        try:
            for piece in pieces:
                parser.Parse(decoder.decode(piece), False)
            parser.Parse(decoder.decode(b"", True), True)
        except expat.ExpatError as error:
            raise XmlError(str(error)) from error

    def _start(self, tag: str, attributes: Dict[str, str]) -> None:
        if self._text is not None:
            raise XmlError(f"there is an element in {self._above[-1]}")
        name = _local(tag)
        given: Dict[str, Set[str]] = {}
        for key, value in attributes.items():
            given.setdefault(_local(key), set()).add(value)
        self.names |= {name, *given}
        self._above.append(name)
        for key in given.keys() & self._wanted:
            self.values += [XmlValue(key, value, given, list(self._above)) for value in given[key]]
        if name in self._wanted:
            self._text, self._attributes = [], given

    def _data(self, text: str) -> None:
        if self._text is not None:
            self._text.append(text)

    def _end(self, tag: str) -> None:
        name = self._above.pop()
        if self._text is not None:
            self.values.append(XmlValue(name, "".join(self._text).strip(), self._attributes, list(self._above)))
            self._text = None

    def _interrupt(self, *_: Any) -> None:
        if self._text is not None:
            raise XmlError(f"the text in {self._above[-1]} is interrupted")

    def _refuse_doctype(self, *_: Any) -> None:
        raise XmlError("there is a document type")


def _local(tag: str) -> str:
    return tag.rpartition(":")[2].lower()
