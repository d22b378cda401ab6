"""Paths of this computer as another one knows them, and back: the same folder is often mounted elsewhere there."""

from __future__ import annotations

import dataclasses
import ntpath
import posixpath
import re
from dataclasses import dataclass
from typing import Any, Callable, Iterator, List, Optional, Tuple

from false_core import jobs
from false_core.events import Artifact, Event, Finished
from qgis_false.translation import failure

# What GDAL has before a path, /vsizip/ or NETCDF:", and what may follow a folder. One letter and a colon are a drive.
_BEFORE = r'^(?P<before>(?:/vsi\w+/)+\{?|\w{2,}:(?://)?"?|)'
_AFTER = r'(?P<inside>(?:[/\\][^|"}]*)?)(?P<rest>(?:[|"}].*)?)$'


@dataclass(frozen=True)
class PathMapping:
    """Folders and what another computer calls them.

    Attributes:
        pairs: Folder here, the same folder there.
    """

    pairs: Tuple[Tuple[str, str], ...] = ()

    def there(self, path: str) -> str:
        """Return ``path`` as the other computer knows it, or as it is where it lies in none of the folders."""
        return _translated(path, self.pairs) or path

    def here(self, path: str) -> str:
        """Return what the other computer calls ``path`` as this one knows it."""
        return _translated(path, [(there, here) for here, there in self.pairs]) or path

    def job_there(self, job: jobs.Job) -> jobs.Job:
        """Return ``job`` with the paths of the other computer."""
        return _with_paths(job, self.there)

    def job_here(self, job: jobs.Job) -> jobs.Job:
        """Return a job of the other computer with the paths of this one."""
        return _with_paths(job, self.here)

    def event_here(self, event: Event) -> Event:
        """Return an event of the other computer with the paths of this one. Texts for people stay as they are."""
        if isinstance(event, Artifact):
            return dataclasses.replace(event, path=self.here(event.path))
        if isinstance(event, Finished):
            outputs = {name: self.here(value) if isinstance(value, str) else value for name, value in event.outputs.items()}
            return dataclasses.replace(event, outputs=outputs)
        return event

    def left_out(self, job: jobs.Job) -> List[str]:
        """Return the paths of ``job`` that lie in none of the folders."""
        paths = [path for _, path in paths_of(job) if ntpath.isabs(path) or posixpath.isabs(path)]
        return [path for path in paths if _translated(path, self.pairs) is None]


def parse_mapping(text: str) -> PathMapping:
    """Return the mapping written in ``text``: ``here=there``, several with semicolons or in lines of their own.

    Raises:
        QgsProcessingException: It is written differently, or a folder is not absolute.
    """
    pairs = []
    for part in filter(None, (part.strip() for part in re.split(r"[;\r\n]", text))):
        here, equals, there = (piece.strip() for piece in part.partition("="))
        if not equals or not all(posixpath.isabs(one) or _is_of_windows(one) for one in (here, there)):
            raise failure(
                "The path mapping {part} cannot be read. Write it as FOLDER HERE=FOLDER THERE, both from the root, and "
                "several with semicolons between them.",
                part=part,
            )
        pairs.append((here.rstrip("/\\"), there.rstrip("/\\")))
    return PathMapping(tuple(pairs))


def _translated(path: str, pairs: Any) -> Optional[str]:
    """Return ``path`` with the longest folder that it lies in replaced, or None where it lies in none."""
    for source, target in sorted(pairs, key=lambda pair: len(pair[0]), reverse=True):
        folder = "".join(r"[/\\]" if sign in "/\\" else re.escape(sign) for sign in source)
        match = re.match(_BEFORE + folder + _AFTER, path, re.IGNORECASE if _is_of_windows(source) else 0)
        if match:
            inside = match["inside"]
            if _is_of_windows(source) != _is_of_windows(target):
                inside = re.sub(r"[/\\]", r"\\" if _is_of_windows(target) else "/", inside)
            return match["before"] + target + inside + match["rest"]
    return None


def _is_of_windows(path: str) -> bool:
    return bool(re.match(r"[A-Za-z]:|\\\\", path))


def paths_of(job: jobs.Job) -> Iterator[Tuple[str, str]]:
    """Yield name and value of each path that ``job`` holds."""
    for name, parameter in jobs.parameters(job).items():
        yield from ((name, path) for path in parameter.kind.paths(getattr(job, name)))


def _with_paths(job: jobs.Job, change: Callable[[str], str]) -> jobs.Job:
    changed = {
        name: change(value) if isinstance(value, str) else tuple(map(change, value))
        for name, value in ((name, getattr(job, name)) for name, _ in paths_of(job))
    }
    return dataclasses.replace(job, **changed)
