"""The texts of a language, and how a text of the library becomes one of them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from false_core.language.numbers import is_number, with_decimal_comma
from false_core.language.templates import NUMBER_MARK, TEXT_MARK, Template
from false_core.settings import ENGLISH, users_language

LANGUAGES_FOLDER = Path(__file__).parent
_BETWEEN_SENTENCES = re.compile(r"(?<=[.!?:;])(\s+)")
MOST_SENTENCES = 40
"""Sentences of a text that are looked at one by one. A longer text is not one of ours, but what a file or a library said."""


class Catalogue:
    """The texts of a language.

    Args:
        texts: Templates in that language by those in English.
    """

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._whole: dict[str, str] = {}
        self._with_holes: list[tuple[Template, Template]] = []
        for english, other in texts.items():
            template, translation = Template.parse(english), Template.parse(other)
            if template.holes:
                self._with_holes.append((template, translation))
            else:
                self._whole["".join(map(str, template.parts))] = "".join(map(str, translation.parts))
        self._with_holes.sort(key=lambda pair: (-pair[0].literal_length, -pair[0].numbers))

    def translated(self, text: str) -> str | None:
        """Return ``text`` in the language, or None where nothing of it is known."""
        core = text.strip()
        found = self._translated(core) if core else None
        return None if found is None else text.replace(core, found, 1)

    def _translated(self, text: str) -> str | None:
        if is_number(text):
            return with_decimal_comma(text)
        # A hole that swallows whole sentences may hide one that is known, so that this comes last.
        return self._as_one(text, may_swallow=False) or self._by_sentences(text) or self._as_one(text, may_swallow=True)

    def _as_one(self, text: str, may_swallow: bool) -> str | None:
        if text in self._whole:
            return self._whole[text]
        small = text[:1].lower() + text[1:]
        if small in self._whole:  # A piece that begins a sentence.
            return self._whole[small][:1].upper() + self._whole[small][1:]
        for template, translation in self._with_holes:
            filling = template.filling(text)
            if filling is not None and (may_swallow or not any(map(_BETWEEN_SENTENCES.search, filling.values()))):
                return self._filled(template, translation, filling)
        return None

    def _filled(self, template: Template, translation: Template, filling: Mapping[str, str]) -> str:
        numbers = {hole.name for hole in template.holes if hole.mark == NUMBER_MARK}
        return "".join(
            part
            if isinstance(part, str)
            else with_decimal_comma(filling[part.name])
            if part.name in numbers
            else self.translated(filling[part.name]) or filling[part.name]
            if part.mark == TEXT_MARK
            else filling[part.name]
            for part in translation.parts
        )

    def _by_sentences(self, text: str) -> str | None:
        """Return a text of several sentences, of which each few were made from one template; None where none is known."""
        pieces = _BETWEEN_SENTENCES.split(text)
        count = (len(pieces) + 1) // 2
        if not 1 < count <= MOST_SENTENCES:
            return None
        done, first, known = "", 0, False
        while first < count:
            for last in range(count - (first == 0), first, -1):
                piece = "".join(pieces[2 * first : 2 * last - 1])
                found = self._as_one(piece, may_swallow=False)
                if found is not None or last == first + 1:
                    known = known or found is not None
                    done += (piece if found is None else found) + "".join(pieces[2 * last - 1 : 2 * last])
                    first = last
                    break
        return done if known else None


@cache
def catalogue_of(language: str) -> Catalogue | None:
    """Return the texts of a language, None where there are none."""
    files = sorted((LANGUAGES_FOLDER / language).glob("*.json")) if language.isalpha() else []
    texts: dict[str, str] = {}
    for file in files:
        texts.update(json.loads(file.read_text(encoding="utf-8")))
    return Catalogue(texts) if texts else None


def localised(text: str) -> str:
    """Return a text of the library in the language of the user; as it is where there is no translation."""
    language = users_language()
    catalogue = None if language == ENGLISH else catalogue_of(language)
    return text if catalogue is None else catalogue.translated(text) or text
