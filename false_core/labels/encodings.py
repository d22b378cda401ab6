"""The encoding of texts in a file that does not name it: shapefiles without a ``.cpg``."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

_ALPHABETS = (
    ("cp1252", "LATIN", "äöüßÄÖÜéèêëàâçîïôûùœæñáíóúÉÈÀÇåøÅØÆãõêÃÕÁÍÓÚÑ"),
    ("cp1250", "LATIN", "ąćęłńóśźżĄĆĘŁŃÓŚŹŻáčďéěíňóřšťúůýžÁČĎÉĚÍŇÓŘŠŤÚŮÝŽőűŐŰăâîșțäöüß"),
    ("cp1251", "CYRILLIC", "абвгдежзийклмнопрстуфхцчшщъыьэюяёіїєґђјљњћџў"),
    ("cp1253", "GREEK", "αβγδεζηθικλμνξοπρσςτυφχψωάέήίόύώ"),
    ("cp1254", "LATIN", "çğıöşüÇĞİÖŞÜâîû"),
    ("cp1255", "HEBREW", "אבגדהוזחטיכלמנסעפצקרשתםןךףץ"),
    ("cp1256", "ARABIC", "ابتثجحخدذرزسشصضطظعغفقكلمنهويةىءأإآؤئپچژگ"),
)
"""Encodings of one byte, the script of their texts, and its usual letters."""
_EAST_ASIAN = (("gb18030", "cjk"), ("shift_jis", "kana"), ("cp949", "hangul"), ("big5", "cjk"))
PLAUSIBLE = 0.98
"""The distance from the best within which an encoding is taken where it stands first in the list."""


def guess_encoding(texts: Sequence[bytes]) -> str | None:
    """Return the likely encoding of texts, or None where all are ASCII and any will do.

    UTF-8 is told by its form. Of the encodings of one byte and of East Asia the one counts in which the letters are the
    usual ones of its language, and words are of one script. Western European where nothing fits better.
    """
    strange = [text for text in texts if not text.isascii()]
    if not strange:
        return None
    if all(_decoded(text, "utf-8") is not None for text in strange):
        return "utf-8"
    scores = {encoding: _score_of_alphabet(strange, encoding, script, usual) for encoding, script, usual in _ALPHABETS}
    scores |= {encoding: _score_of_east_asian(strange, encoding, kind) for encoding, kind in _EAST_ASIAN}
    best = max(scores.values())
    return "cp1252" if best <= 0 else next(encoding for encoding, score in scores.items() if score >= PLAUSIBLE * best)


def _decoded(text: bytes, encoding: str) -> str | None:
    try:
        return text.decode(encoding)
    except UnicodeDecodeError:
        return None


def _score_of_alphabet(texts: Sequence[bytes], encoding: str, script: str, usual: str) -> float:
    """Return the share of letters beyond ASCII that are usual ones, in words as the script has them; 0 where none decode."""
    good = number = 0
    for text in texts:
        decoded = _decoded(text, encoding)
        if decoded is None:
            return 0.0
        for word in re.findall(r"\w*[^\W\x00-\x7f]\w*", decoded):
            beyond = [letter for letter in word if not letter.isascii()]
            number += len(beyond)
            if script == "LATIN":
                # Accents are fewer than plain letters, and no capital stands within a word.
                fits = len(beyond) <= max(1, len(word) / 2) and (word[1:].islower() or word.isupper() or len(word) == 1)
            else:
                fits = all(_script(letter) == script for letter in word if letter.isalpha())
                fits = fits and (script != "CYRILLIC" or word[1:].islower() or word.isupper() or len(word) == 1)
            good += sum(letter in usual or letter.lower() in usual for letter in beyond) if fits else 0
        number += sum(not letter.isascii() and not letter.isalnum() for letter in decoded)
    return good / number if number else 0.0


def _score_of_east_asian(texts: Sequence[bytes], encoding: str, kind: str) -> float:
    """Return the share of characters beyond ASCII that are common in the language; 0 where a text does not decode."""
    good = number = 0
    for text in texts:
        decoded = _decoded(text, encoding)
        if decoded is None:
            return 0.0
        for letter in decoded:
            if not letter.isascii():
                number += 1
                good += _is_common(letter, encoding, kind)
    return good / number if number else 0.0


def _is_common(letter: str, encoding: str, kind: str) -> bool:
    if kind == "hangul":
        return _script(letter) == "HANGUL"
    lead = letter.encode(encoding)[0]
    if kind == "kana":
        return _script(letter) in ("HIRAGANA", "KATAKANA") or (_script(letter) == "CJK" and 0x88 <= lead <= 0x97)
    # The first of the two levels of characters, which are in order of use.
    common = 0xB0 <= lead <= 0xD7 if encoding == "gb18030" else 0xA4 <= lead <= 0xC6
    return _script(letter) == "CJK" and common


def _script(letter: str) -> str:
    return unicodedata.name(letter, "").partition(" ")[0]
