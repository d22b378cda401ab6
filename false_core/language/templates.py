"""Templates: an English text with holes, and the same text in another language with the same holes.

An English template is the f-string of the source with names for what is filled in: ``{path} has {bands} bands.`` A hole that
ends in ``#`` is filled with a number. In the other language a hole that ends in ``*`` is filled with another text of ours,
which is translated too; all others are names and values, and stay. ``{{`` and ``}}`` are braces.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from false_core.language.numbers import WRITTEN_NUMBER

FEWEST_LETTERS = 12
"""Letters of a template that says by itself what it is."""
NUMBER_MARK, TEXT_MARK = "#", "*"
_PART = re.compile(r"(\{\{|\}\}|\{\w+[#*]?\})")


@dataclass(frozen=True)
class Hole:
    """A place in a template that is filled in. ``mark`` is ``NUMBER_MARK``, ``TEXT_MARK`` or nothing."""

    name: str
    mark: str = ""


@dataclass(frozen=True)
class Template:
    """A text with holes, in one language."""

    parts: tuple[str | Hole, ...]

    @classmethod
    def parse(cls, text: str) -> Template:
        """Return the template that is written as ``text``."""
        parts: list[str | Hole] = []
        for piece in filter(None, _PART.split(text)):
            if piece in ("{{", "}}"):
                piece = piece[0]
            elif _PART.fullmatch(piece):
                name = piece[1:-1]
                mark = name[-1] if name[-1] in (NUMBER_MARK, TEXT_MARK) else ""
                parts.append(Hole(name[: len(name) - len(mark)], mark))
                continue
            if parts and isinstance(parts[-1], str):
                parts[-1] += piece
            else:
                parts.append(piece)
        return cls(tuple(parts))

    @cached_property
    def holes(self) -> tuple[Hole, ...]:
        """The holes, in their order."""
        return tuple(part for part in self.parts if isinstance(part, Hole))

    @cached_property
    def longest_literal(self) -> str:
        """The longest piece between holes."""
        return max((part for part in self.parts if isinstance(part, str)), key=len, default="")

    @cached_property
    def literal_length(self) -> int:
        """The number of characters that are not filled in: of two templates that fit, the one with more is meant."""
        return sum(len(part) for part in self.parts if isinstance(part, str))

    @cached_property
    def rest(self) -> Template | None:
        """The text after another text and before a sentence, as in ``{text} It is left out.``; None elsewhere."""
        first, second = (*self.parts, "", "")[:2]
        if (
            not isinstance(first, Hole)
            or not isinstance(second, str)
            or not second[:1].isspace()
            or not second[1:2].isupper()
        ):
            return None
        return Template((second[1:], *self.parts[2:]))

    @cached_property
    def is_loose(self) -> bool:
        """Return whether it is hardly more than its holes, so that it would fit many a text that was not made from it."""
        letters = sum(character.isalpha() for part in self.parts if isinstance(part, str) for character in part)
        begins_a_sentence = isinstance(self.parts[0], str) and self.parts[0][:1].isupper()
        return letters < FEWEST_LETTERS and not begins_a_sentence

    @cached_property
    def numbers(self) -> int:
        """The number of holes that only a number fits into."""
        return sum(hole.mark == NUMBER_MARK for hole in self.holes)

    def filling(self, text: str) -> dict[str, str] | None:
        """Return what fills the holes in ``text``, by their names; None where it was not made from this template."""
        if self.longest_literal not in text:
            return None
        match = self._pattern.fullmatch(text)
        return match.groupdict() if match else None

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        pieces = [
            re.escape(part)
            if isinstance(part, str)
            else f"(?P<{part.name}>{WRITTEN_NUMBER if part.mark == NUMBER_MARK else '.*?'})"
            for part in self.parts
        ]
        return re.compile("".join(pieces), re.DOTALL)
