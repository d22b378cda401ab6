"""The end of a piece of work that a newer request has made useless."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

Interrupted = Callable[[], bool]
"""Says whether what is being done is still wanted."""


class Superseded(Exception):
    """The work that is being done is not wanted any more."""


def stop_if(interrupted: Interrupted) -> None:
    """Raise ``Superseded`` where what is being done is not wanted any more."""
    if interrupted():
        raise Superseded


@contextmanager
def interruptible(network: nn.Module, interrupted: Interrupted) -> Iterator[None]:
    """Have a network ask before each convolution whether its result is still wanted."""

    def ask(module: nn.Module, given: Any) -> None:
        stop_if(interrupted)

    hooks = [module.register_forward_pre_hook(ask) for module in network.modules() if isinstance(module, nn.Conv2d)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
