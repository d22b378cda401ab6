"""The GPUs of this computer, as the driver's own program tells them."""

from __future__ import annotations

from typing import List, Mapping, Optional

from qgis.core import QgsProcessingFeedback

from qgis_false.environment import torch_build
from qgis_false.environment.host import Host
from qgis_false.environment.processes import ask


def find_gpus(
    host: Host, variables: Mapping[str, str], feedback: Optional[QgsProcessingFeedback] = None
) -> List[torch_build.Gpu]:
    """Return the NVIDIA GPUs that have a driver.

    Raises:
        ProcessingCancelled: The user wants to stop.
    """
    for program in torch_build.nvidia_smi_places(host):
        for query in (torch_build.QUERY, torch_build.SHORT_QUERY):
            found = torch_build.parse_nvidia_smi(ask([program, *query], variables, feedback))
            if found:
                return found
    return []
