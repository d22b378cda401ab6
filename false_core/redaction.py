"""Takes passwords and keys out of a text that is shown, kept or passed on: an error, a message, a record in a model.

Standard library only, Python 3.9: the QGIS plugin imports this module too.
"""

from __future__ import annotations

import re

HIDDEN = "***"
_SECRET = (
    r"token|secret|passw(?:o?r?d|ort)|kennwort|passphrase|passcode|pwd|credential|authori[sz]ation|signature|bearer|cookie"
    r"|contrase[ñn]a|mot[_ -]?de[_ -]?passe|session[_-]?id|api[_-]?key|access[_-]?key|account[_-]?key|private[_-]?key"
    r"|sharedaccess\w{0,20}"
)
_SHORT = r"sig|pass|pw|auth|sas|key(?=\s*=|[\"'\\])"
_NAME = rf"(?:[\w.-]{{0,99}}(?:{_SECRET})[\w.-]{{0,60}}|(?:[\w.-]{{0,99}}[_.-])?(?:{_SHORT}))"
_QUOTE = r"(?:\\{0,3}[\"']|&quot;|&apos;|&#3[49];|%2[27])"
_QUOTED = "|".join(
    rf"{opening}(?:\\.|{closing}{closing}|(?!{closing}).)*(?:{closing}|$)"
    for opening, closing in (
        (r"\\{1,3}\"", r"\\{1,3}\""), (r"\\{1,3}'", r"\\{1,3}'"), ('"', '"'), ("'", "'"), (r"\{", r"\}"),
        ("&quot;", "&quot;"), ("&apos;", "&apos;"), ("%22", "%22"), ("%27", "%27"),
    )
)  # fmt: skip
_PLAIN = r"(?:(?:Bearer|Basic|Digest|Token|ApiKey|Negotiate)(?:\s+|%20|\+))?[^\s&'\",;<>)\]}]+"
_NAMED = re.compile(
    rf"(?P<name>(?<![\w.-]){_NAME}(?:\[\w*\])?{_QUOTE}?\s*"
    rf"(?:=|%3D|%253D|&equals;|%3A(?:%20|\+)?|:(?!//)(?=\s*\S))\s*)(?P<value>{_QUOTED}|{_PLAIN})",
    re.IGNORECASE | re.DOTALL,
)
_OPTION = re.compile(rf"(?P<name>(?<!\S)--?{_NAME}\s+)(?P<value>{_QUOTED}|[^\s-]\S*)", re.IGNORECASE | re.DOTALL)
_ELEMENT = re.compile(
    rf"(?P<name><[\w:.-]{{0,60}}(?:{_SECRET})[\w:.-]{{0,60}}[^<>]{{0,200}}>)(?P<value>[^<]+)(?=<)", re.IGNORECASE
)
_IN_ADDRESS = re.compile(
    r"(?P<name>(?:\b[a-zA-Z][a-zA-Z0-9+.-]{0,30}:|(?<![\w:/]))//)"
    r"(?P<value>[^\s/@:'\"]{0,999}:[^\s'\"]{0,999}|[^\s/@'\"]{0,999})(?=@)"
)
_IN_ORACLE = re.compile(r"(?P<name>\b(?:OCI|GEORASTER|GEOR):)(?P<value>[^\s@,]{1,999})(?=[@,])", re.IGNORECASE)
_LOOKS_SECRET = re.compile(
    r"\b(?:(?:AKIA|ASIA)[A-Z0-9]{12,}|AIza[\w-]{30,}|gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}"
    r"|xox[abposr]-[\w-]{10,}|hf_\w{20,}|sk-[\w-]{20,}|eyJ[\w-]{8,}\.[\w-]{4,}\.[\w-]*)"
    r"|-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,30}PRIVATE KEY-----|$)",
    re.DOTALL,
)


def without_secrets(text: str) -> str:
    """Return ``text`` without user and password in addresses, and without the values of what is named like a secret."""
    text = _IN_ADDRESS.sub(rf"\g<name>{HIDDEN}", text)
    text = _IN_ORACLE.sub(rf"\g<name>{HIDDEN}", text)
    for pattern in (_ELEMENT, _NAMED, _OPTION):
        text = pattern.sub(_hidden, text)
    return _LOOKS_SECRET.sub(HIDDEN, text)


def _hidden(match: re.Match[str]) -> str:
    quote = re.match(rf"{_QUOTE}|", match["value"])
    return f"{match['name']}{quote[0] if quote else ''}{HIDDEN}{quote[0] if quote else ''}"
