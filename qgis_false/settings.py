"""The settings of the user, on the options page or in environment variables. A variable comes first: it is nearer."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Dict, Tuple

from qgis.core import QgsProject, QgsSettings

from qgis_false.translation import language, tr

LOG_LEVELS = ("warning", "info", "debug")
KEPT_ON_DISK = ("remote", "all")
LANGUAGE_VARIABLE = "FALSE_LANGUAGE"
"""In which language the compute process speaks: that of QGIS, unless the user has set another one."""


@dataclass(frozen=True)
class Setting:
    """One setting of the options page.

    Attributes:
        key: Key in the settings of QGIS.
        variable: The environment variable that does the same, also for the compute process.
        default: The value where the user set none; may be empty.
        label, help: Texts of the options page, through ``tr``.
    """

    key: str
    variable: str
    default: str
    label: str
    help: str

    def value(self) -> str:
        """Return the value: of the variable, of the options page, or the default."""
        return self._variable() or self.stored() or self.default

    def stored(self) -> str:
        """Return what the options page holds, or nothing."""
        return str(QgsSettings().value(self.key, "") or "").strip()

    def store(self, value: str) -> None:
        """Remember ``value``; the default and nothing are forgotten instead, so that a later default counts."""
        if value.strip() in ("", self.default):
            QgsSettings().remove(self.key)
        else:
            QgsSettings().setValue(self.key, value.strip())

    def origin(self) -> str:
        """Return who set the value, in words."""
        if self._variable():
            return tr("the variable {variable}", variable=self.variable)
        if not self.stored():
            return tr("the default")
        return tr("the setting {label} in Settings > Options > FALSE", label=tr(self.label))

    def is_overridden(self) -> bool:
        """Return whether a variable makes the options page count for nothing."""
        return bool(self._variable())

    def _variable(self) -> str:
        return os.environ.get(self.variable, "").strip()


INTERPRETER = Setting(
    "false/interpreter",
    "FALSE_CORE_PYTHON",
    "",
    "Python",
    "The Python that computes. Empty: the environment that was set up here. Any Python of at least 3.10 that has the "
    "packages will do, also one of conda, a cluster or a container.",
)
DEVICE = Setting(
    "false/device",
    "FALSE_DEVICE",
    "auto",
    "Device",
    "What a run takes whose device is auto. auto: a GPU where there is a working one. cuda:1: the second NVIDIA GPU. "
    "mps: the GPU of an Apple computer. cpu: no GPU.",
)
MEMORY = Setting(
    "false/memory_gb",
    "FALSE_MEMORY_GB",
    "1",
    "Memory for pixels (GB)",
    "How much of the raster training keeps at hand. More is faster on a large raster. The program itself takes 1 to 3 "
    "GB beside it.",
)
CACHE = Setting(
    "false/cache",
    "FALSE_CACHE",
    "",
    "Cache folder",
    "For files that can be made again, such as checkpoints of runs that were interrupted. Empty: the system's cache folder.",
)
LAUNCHER = Setting(
    "false/launcher",
    "FALSE_LAUNCHER",
    "",
    "Launcher",
    "A command that starts what computes, such as {python} -m torch.distributed.run --nproc-per-node {devices}, "
    "srun --gpus=1 python or ssh server python. What is to be run is put at its end. Empty: it is started here.",
)
SCHEDULER = Setting(
    "false/scheduler",
    "FALSE_SCHEDULER",
    "",
    "Scheduler",
    "Has the parts of maps computed by many processes, with Dask. local: by processes of this computer. slurm:8 or pbs:8: "
    "by 8 jobs in a queue. Or the address of a scheduler, such as tls://server:8786. Empty: a map is computed by one "
    "process, or by the launcher.",
)
PATHS = Setting(
    "false/paths",
    "FALSE_PATHS",
    "",
    "Path mapping",
    "What folders are called where the launcher computes, as /home/me/maps=/scratch/me/maps; several with semicolons. "
    "It holds for exported jobs and imported results too.",
)
DISK = Setting(
    "false/disk_gb",
    "FALSE_DISK_GB",
    "10",
    "Disk for remote rasters (GB)",
    "How much of remote rasters, which are read over the network, is kept on the disk, so that each block is downloaded "
    "once. The blocks that were not used for longest are removed first. What 'Find similar places' and 'Classify areas' "
    "have seen of rasters, also of files, is kept in the same space. 0: nothing is kept, and every search looks again.",
)
DISK_FOLDER = Setting(
    "false/disk_folder",
    "FALSE_DISK_FOLDER",
    "",
    "Folder for remote rasters",
    "A fast disk of this computer is best. Empty: the folder is in the cache folder.",
)
DISK_FOR = Setting(
    "false/disk_for",
    "FALSE_DISK_FOR",
    "remote",
    "Rasters kept on the disk",
    "remote: those read over the network, such as /vsicurl/ and /vsis3/. all: also files, where a network drive is slow.",
)
MORE_DRIVERS = Setting(
    "false/drivers",
    "FALSE_DRIVERS",
    "",
    "Formats beside the usual ones",
    "GDAL's names of further formats that may be opened, with commas, such as NITF, SENTINEL2. Only those that people "
    "commonly use are opened by themselves: with others a file may write, ask a server, or show other files of the computer "
    "as pixels. Name one where you trust the source of your files. /vsicurl/ lets a VRT on the disk lead to addresses.",
)
LOG_LEVEL = Setting(
    "false/log_level",
    "FALSE_LOG_LEVEL",
    "info",
    "Log",
    "What a run writes to its log. warning: only what may be wrong. debug: everything the compute process says.",
)
AUTHOR = Setting(
    "false/author",
    "FALSE_AUTHOR",
    "",
    "Name in reports",
    "Who has made them, as reports say it. Empty: the author of the project, in Project > Properties > Metadata.",
)
PLUGIN_SETTINGS: Tuple[Setting, ...] = (
    INTERPRETER, DEVICE, MEMORY, CACHE, DISK, DISK_FOLDER, DISK_FOR, MORE_DRIVERS, AUTHOR, LAUNCHER, SCHEDULER, PATHS,
    LOG_LEVEL,
)  # fmt: skip
_FOR_THE_LIBRARY = (DEVICE, MEMORY, CACHE, DISK, DISK_FOLDER, DISK_FOR, MORE_DRIVERS, SCHEDULER)


def for_the_library() -> Dict[str, str]:
    """Return the environment variables that tell the compute process what was set here."""
    values = {setting.variable: setting.value() for setting in _FOR_THE_LIBRARY}
    values[AUTHOR.variable] = AUTHOR.value() or QgsProject.instance().metadata().author().strip()
    values[LANGUAGE_VARIABLE] = os.environ.get(LANGUAGE_VARIABLE, "").strip() or language()
    return {variable: value for variable, value in values.items() if value}


def log_level() -> str:
    """Return one of ``LOG_LEVELS``. A word that is none of them means the default."""
    value = LOG_LEVEL.value().lower()
    return value if value in LOG_LEVELS else LOG_LEVEL.default
