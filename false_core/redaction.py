"""Takes passwords and keys out of a text that is shown, kept or passed on: an error, a message, a record in a model.

Standard library only, Python 3.9: the QGIS plugin imports this module too.
"""

from __future__ import annotations

import re

HIDDEN = "***"
_SECRET = (
    r"token|secret|pass[\s_-]?(?:w(?:o?r?d|ort)|ord|phrase|code)|kennwort|pwd|credential|authori[sz]ation|signature|bearer"
    r"|cookie|contrase[ñn]a|mot[_ -]?de[_ -]?passe|session[\s_-]?id"
    r"|(?:api|access|account|private|secret|subscription)[\s_-]?key"
    r"|sharedaccess\w{0,20}|mdp|senha|wachtwoord|adgangskode|l[öo]senord|salasana|has[łl]o|heslo|пароль|密[码碼]|パスワード|비밀번호"
)
_SHORT = r"sig|pass|pw|auth|sas|key(?=\s*=|[\"'\\])"
_NAME = rf"(?:[\w.-]{{0,99}}(?:{_SECRET})[\w.-]{{0,60}}|(?:[\w.-]{{0,99}}[_.-])?(?:{_SHORT}))"
_QUOTE = r"(?:\\{0,3}[\"']|&quot;|&apos;|&#3[49];|%2[27])"
_QUOTED = "|".join(
    rf"{opening}(?:\\.|{closing}{closing}|(?!{closing}).)*(?:{closing}|$)"
    for opening, closing in (
        (r"\\{1,3}\"", r"\\{1,3}\""), (r"\\{1,3}'", r"\\{1,3}'"), ('"', '"'), ("'", "'"), (r"\{", r"\}"),
        (r"\[", r"\]"), ("&quot;", "&quot;"), ("&apos;", "&apos;"), ("%22", "%22"), ("%27", "%27"),
    )
)  # fmt: skip
_PLAIN = r"(?:(?:Bearer|Basic|Digest|Token|ApiKey|Negotiate)(?:\s+|%20|\+))?[^\s&'\",;<>)\]}]+"
_NAMED = re.compile(
    rf"(?P<name>(?<![\w.-]){_NAME}(?:\[\w*\])?{_QUOTE}?\s*"
    rf"(?:=|%3D|%253D|&equals;|&#(?:0*61|[xX]0*3[dD]);|%3A(?:%20|\+)?|:(?!//)(?=\s*\S))\s*)(?P<value>{_QUOTED}|{_PLAIN})",
    re.IGNORECASE | re.DOTALL,
)
_HEADER = re.compile(
    r"(?P<name>\b(?:(?:set-)?cookie|(?:proxy-)?authorization):[ \t]*)(?P<value>(?:[^\r\n\"']|(?<==)\"[^\"\r\n]*\")+)",
    re.IGNORECASE,
)
"""Headers of HTTP that are secret up to their end."""
_OPTION = re.compile(rf"(?P<name>(?<!\S)--?{_NAME}\s+)(?P<value>{_QUOTED}|[^\s-]\S*)", re.IGNORECASE | re.DOTALL)
_LETTER = re.compile(r"(?P<name>(?<!\S)-[pP](?:\s+|=))(?P<value>" + _QUOTED + r"|[^\s-]\S*)", re.DOTALL)
_LETTER_JOINED = re.compile(r"(?P<name>\b(?:mysql|mariadb)\w{0,20}\b[^\n]{0,999}?\s-p)(?P<value>[^\s=]\S*)")
_OTHER_LETTER = re.compile(r"\b(?:srun|sbatch|salloc|sinfo|squeue|ssh|scp|psql|pg_\w{1,20}|mkdir|cp|tar|patch|pip|python)\b")
"""Programs to which -p says something else: a partition, a port, parents."""
_USER_OPTION = re.compile(r"(?P<name>(?<!\S)(?:-[uU]|--(?:proxy-)?user)[\s=]+[^\s:]{1,99}:)(?P<value>\S+)")
_ELEMENT = re.compile(
    rf"(?P<name><[\w:.-]{{0,60}}(?:{_SECRET})[\w:.-]{{0,60}}[^<>]{{0,200}}>)(?P<value>[^<]+)(?=<)", re.IGNORECASE
)
_IN_ADDRESS = re.compile(
    r"(?P<name>(?:\b[a-zA-Z][a-zA-Z0-9+.-]{0,30}:|(?<![\w:/]))//)"
    r"(?P<value>[^\s/@:'\"]{0,999}:[^\s'\"]{0,999}|[^\s/@'\"]{0,999})(?=@)"
)
_IN_ORACLE = re.compile(r"(?P<name>\b(?:OCI|GEORASTER|GEOR):)(?P<value>[^\s@,]{1,999})(?=[@,])", re.IGNORECASE)
_IN_SDE = re.compile(r"(?P<name>\bSDE:(?:[^\s,]{0,99},){4})(?P<value>[^\s,]+)", re.IGNORECASE)
_ENDINGS = "tiff?|vrt|png|jpe?g|jp2|img|dat|hdr|nc|gpkg|shp|geojson|json|csv|txt|html?|xml|qml|qgz|py|zip|safetensors"
_FILE = rf"[\w.@+-]*\.(?:{_ENDINGS})\b"
_BEFORE_HOST = re.compile(
    rf"(?P<name>(?<![\w/\\.@~-])[a-z][\w$#]{{0,127}}/)(?P<value>[^\s/@\\]{{1,128}})(?=@(?!{_FILE})(?://)?[a-z])",
    re.IGNORECASE,
)
"""User and password of Oracle, but no name of a file in a folder."""
_LOOKS_SECRET = re.compile(
    r"\b(?:(?:AKIA|ASIA)[A-Z0-9]{12,}|AIza[\w-]{30,}|gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}"
    r"|xox[abposr]-[\w-]{10,}|hf_\w{20,}|sk-[\w-]{20,}|eyJ[\w-]{8,}\.[\w-]{4,}\.[\w-]*)"
    r"|(?<=\b[Bb]earer )(?=[\w.~+/=-]{0,999}\d)[\w.~+/=-]{6,}"
    r"|-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,30}PRIVATE KEY-----|$)",
    re.DOTALL,
)


def without_secrets(text: str) -> str:
    """Return ``text`` without user and password in addresses, and without the values of what is named like a secret."""
    text = _IN_ADDRESS.sub(rf"\g<name>{HIDDEN}", text)
    for plain in (_IN_ORACLE, _IN_SDE, _BEFORE_HOST, _USER_OPTION, _LETTER_JOINED):
        text = plain.sub(rf"\g<name>{HIDDEN}", text)
    text = _LETTER.sub(_hidden_letter, text)
    for pattern in (_ELEMENT, _HEADER, _NAMED, _OPTION):
        text = pattern.sub(_hidden, text)
    return _LOOKS_SECRET.sub(HIDDEN, text)


def _hidden_letter(match: re.Match[str]) -> str:
    before = match.string[max(0, match.start() - 200) : match.start()].rpartition("\n")[2]
    return match[0] if _OTHER_LETTER.search(before) else _hidden(match)


def _hidden(match: re.Match[str]) -> str:
    quote = re.match(rf"{_QUOTE}|", match["value"])
    return f"{match['name']}{quote[0] if quote else ''}{HIDDEN}{quote[0] if quote else ''}"
