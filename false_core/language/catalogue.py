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
_A_NEW_SENTENCE = re.compile(r"[.!?]\s+[^\W\d_a-z]")
_BETWEEN_ITEMS = re.compile(r"( and | or )")
MOST_WORDS_OF_A_NAME = 4
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
        pairs = [(Template.parse(english), Template.parse(other)) for english, other in texts.items()]
        # Of a text that follows on another one, the rest alone too: the two may lie in pieces of a longer text.
        pairs += [(template.rest, translation.rest) for template, translation in pairs if template.rest and translation.rest]
        for template, translation in pairs:
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
        # A hole that swallows whole sentences may hide one that is known.
        found = self._as_one(text, may_swallow=False)
        if found is not None:
            return found
        by_sentences, all_known = self._by_sentences(text)
        return by_sentences if all_known else self._as_one(text, may_swallow=True) or by_sentences

    def _as_one(self, text: str, may_swallow: bool) -> str | None:
        if text in self._whole:
            return self._whole[text]
        small = text[:1].lower() + text[1:]
        if small in self._whole:  # A piece that begins a sentence.
            return self._whole[small][:1].upper() + self._whole[small][1:]
        for template, translation in self._with_holes:
            filling = template.filling(text)
            if filling is None or not (may_swallow or not any(map(_A_NEW_SENTENCE.search, filling.values()))):
                continue
            if not template.is_loose or self._may_fill(translation, filling):
                return self._filled(template, translation, filling)
        return None

    def _may_fill(self, translation: Template, filling: Mapping[str, str]) -> bool:
        """Return whether what fills a template of few letters is names and texts of ours: else any sentence fits it."""
        texts = {hole.name for hole in translation.holes if hole.mark == TEXT_MARK}
        return all(
            (": " not in value and max(len(item.split()) for item in value.split(",")) <= MOST_WORDS_OF_A_NAME)
            or (name in texts and self._text_or_list(value) != value)
            for name, value in filling.items()
        )

    def _filled(self, template: Template, translation: Template, filling: Mapping[str, str]) -> str:
        numbers = {hole.name for hole in template.holes if hole.mark == NUMBER_MARK}
        return "".join(
            part
            if isinstance(part, str)
            else with_decimal_comma(filling[part.name])
            if part.name in numbers
            else self._text_or_list(filling[part.name])
            if part.mark == TEXT_MARK
            else filling[part.name]
            for part in translation.parts
        )

    def _text_or_list(self, text: str) -> str:
        """Return what fills a hole for a text of ours: such a text, or a list of such texts and of names."""
        items = text.split(", ")
        translated = [self.translated(item) for item in items] if text not in self._whole else []
        # First as a list, as a text that holds a name may well begin with one item and end with another.
        if len(translated) > 1 and all(translated):
            return ", ".join(filter(None, translated))
        return self.translated(text) or ", ".join(map(self._item, items))

    def _item(self, text: str) -> str:
        parts = _BETWEEN_ITEMS.split(text)
        words = {part: f" {self._whole.get(part.strip(), part.strip())} " for part in parts[1::2]}
        return self.translated(text) or "".join(words.get(part) or self.translated(part) or part for part in parts)

    def _by_sentences(self, text: str) -> tuple[str | None, bool]:
        """Translate a text of several sentences, of which each few were made from one template.

        Returns:
            The text, None where no sentence is known, and whether all are.
        """
        pieces = _BETWEEN_SENTENCES.split(text)
        count = (len(pieces) + 1) // 2
        if not 1 < count <= MOST_SENTENCES:
            return None, False
        done, first, known, all_known = "", 0, False, True
        while first < count:
            for last in range(count - (first == 0), first, -1):
                piece = "".join(pieces[2 * first : 2 * last - 1])
                found = self._as_one(piece, may_swallow=False)
                if found is not None or last == first + 1:
                    known, all_known = known or found is not None, all_known and found is not None
                    done += (piece if found is None else found) + "".join(pieces[2 * last - 1 : 2 * last])
                    first = last
                    break
        return (done, all_known) if known else (None, False)


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
