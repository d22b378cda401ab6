"""timm and segmentation-models-pytorch, imported without the compiler of PyTorch.

Both load ``torch._dynamo`` while they are imported, for two decorators of networks that are not used here: torchvision's
pooling of regions, and timm's NaFlex transformers. It makes up a third of the time that a process takes to start and 170 MB
of its memory. Who compiles a network, or makes an optimiser of PyTorch, still loads it, then.

Every other module takes these libraries from here: ``tests/core/computing/test_backbone_libraries.py`` holds both.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import torch.compiler
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

_COMPILER = "torch._dynamo"


class _CompilerTools(ModuleType):
    """A stand-in for the module ``torch._dynamo.utils`` that has what torchvision takes from it."""

    @staticmethod
    def is_compile_supported(device_type: str) -> bool:
        """Return what the module itself says, which is loaded for it."""
        return bool(importlib.import_module(f"{_COMPILER}.utils").is_compile_supported(device_type))


def _not_compiled(function: Callable[..., Any] | None = None, **_: Any) -> Any:
    """Return the function as it is. It is a stand-in for the decorator ``torch.compiler.disable``."""
    return (lambda decorated: decorated) if function is None else function


@contextmanager
def _without_compiler() -> Iterator[None]:
    """Keep modules that are imported meanwhile from loading PyTorch's compiler, unless it is loaded already."""
    if _COMPILER in sys.modules:
        yield
        return
    tools, decorator = f"{_COMPILER}.utils", torch.compiler.disable
    sys.modules[tools] = _CompilerTools(tools)
    torch.compiler.disable = _not_compiled  # type: ignore[assignment]
    try:
        yield
    finally:
        torch.compiler.disable = decorator
        if isinstance(sys.modules.get(tools), _CompilerTools):
            del sys.modules[tools]


with _without_compiler():
    import segmentation_models_pytorch as smp
    import timm
    from timm.layers.conv2d_same import Conv2dSame
    from timm.layers.norm_act import BatchNormAct2d


class NothingDrawnOnMeta(TorchFunctionMode):
    """Leaves tensors of the device ``meta`` as they are where a network would draw weights for them: they have no values.

    Networks are built there to learn their levels or the names of their weights. To draw weights for them, PyTorch would
    load its compiler, and take longer than for true ones.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Return what the function returns, or its first argument where there is nothing to draw."""
        if func in _DRAWS:
            tensor = args[0] if args else (kwargs or {})["tensor"]
            if tensor.is_meta:
                return tensor
        return func(*args, **(kwargs or {}))


_DRAWS = {
    Tensor.normal_,
    Tensor.uniform_,
    *(getattr(nn.init, name) for name in dir(nn.init) if name[-1:] == "_" != name[:1]),
}


__all__ = ["BatchNormAct2d", "Conv2dSame", "NothingDrawnOnMeta", "smp", "timm"]
