"""A simulated GPU: whole jobs run on it, on a computer that has none.

To PyTorch it is a device of its own. Each of its tensors keeps its numbers in a tensor on the CPU, where all is computed. It
complains where PyTorch would on a GPU: where tensors on it and elsewhere meet, where numbers are asked of numpy, where
chance is drawn from a generator of the CPU. Backward passes and autocast are those of a GPU, too.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils import backend_registration
from torch.utils._pytree import tree_leaves, tree_map

NAME = "simulated"
MOVES = {"aten::_to_copy", "aten::copy_", "aten::_foreach_copy_"}
"""Operators that bring numbers from one device to another."""
INDEXING = {"aten::index", "aten::index_put", "aten::index_put_"}
"""Operators that take indices from the CPU, and wait for them."""
MADE = ("arange", "arange.start", "arange.start_step", "linspace", "eye", "eye.m")
"""Operators that PyTorch makes of a tensor without a size, which grows."""
IN_SHORT = (
    "conv1d", "conv2d", "conv_transpose2d.input", "linear", "matmul", "mm", "bmm", "addmm", "baddbmm", "einsum", "prelu",
    "scaled_dot_product_attention",
)  # fmt: skip
"""Operators that autocast has compute in short numbers on a GPU, as PyTorch's documentation lists them."""
IN_FLOAT32 = (
    "softmax.int", "log_softmax.int", "layer_norm", "group_norm", "exp", "expm1", "log", "log1p", "log2", "log10",
    "pow.Tensor_Scalar", "pow.Tensor_Tensor", "rsqrt", "reciprocal", "sum", "sum.dim_IntList", "prod", "cumsum",
    "norm.Scalar", "norm.ScalarOpt_dim", "mse_loss", "l1_loss", "nll_loss", "cosine_similarity", "softplus", "cdist",
)  # fmt: skip
"""Those that it has compute in float32."""
IN_WIDEST = ("cat", "stack", "grid_sampler", "addcmul", "addcdiv", "dot", "index_put", "scatter_add", "bilinear")
"""Those that it has compute in the longest numbers that they are given."""
_libraries: list[torch.library.Library] = []
"""What PyTorch has been told about the simulated GPU. It lasts as long as these are held."""


class OnSimulatedGpu(Tensor):
    """A tensor on the simulated GPU.

    Attributes:
        numbers: Its numbers, on the CPU.
    """

    numbers: Tensor

    @staticmethod
    def __new__(cls, numbers: Tensor, device: torch.device) -> OnSimulatedGpu:
        # As weights are, also where nothing is recorded for a backward pass: what is a part of them must be like them.
        with torch.inference_mode(False):
            made: OnSimulatedGpu = Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
                cls, numbers.size(), strides=numbers.stride(), storage_offset=numbers.storage_offset(),
                dtype=numbers.dtype, layout=numbers.layout, device=device,
            )  # fmt: skip
        made.numbers = numbers
        return made

    def tolist(self) -> Any:
        """Return the numbers, for which a GPU would be waited."""
        return self.numbers.tolist()

    def new_tensor(self, values: Any, **named: Any) -> Any:
        """Return a tensor of the simulated GPU."""
        return torch.tensor(values, **{"dtype": self.dtype, **named}).to(self.device)

    def __repr__(self, **_: Any) -> str:
        return f"OnSimulatedGpu({self.numbers!r})"

    @classmethod
    def __torch_dispatch__(cls, operator: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        # Where nothing is recorded, operators come here that PyTorch makes of others.
        made = operator.decompose(*args, **(kwargs or {}))
        return _computed(operator, args, kwargs or {}) if made is NotImplemented else made


def _computed(operator: Any, args: Any, kwargs: Any) -> Any:
    """Compute an operator on the CPU, once it is known that a GPU would."""
    name, leaves = operator._schema.name, tree_leaves((args, kwargs))
    asked = next((leaf for leaf in leaves if isinstance(leaf, torch.device)), None)
    tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
    mine = [tensor for tensor in tensors if isinstance(tensor, OnSimulatedGpu)]
    takes_indices = name in INDEXING and isinstance(args[0], OnSimulatedGpu)
    for tensor in tensors:
        is_index = takes_indices and not tensor.is_floating_point()
        if tensor.dim() and not isinstance(tensor, OnSimulatedGpu) and name not in MOVES and not is_index:
            raise RuntimeError(
                f"Expected all tensors to be on the same device: {name} got some of the CPU and of the simulated GPU."
            )
    if any(isinstance(leaf, torch.Generator) and leaf.device.type != NAME for leaf in leaves):
        raise RuntimeError(f"Expected a generator of the simulated GPU: {name} got one of the CPU.")
    here = asked if asked is not None else mine[0].device if mine else torch.device("cpu")
    if here.index is None and here.type == NAME:
        here = torch.device(NAME, 0)
    known = {id(tensor.numbers): tensor for tensor in mine} | {id(tensor): tensor for tensor in tensors}

    def bare(value: Any) -> Any:
        if isinstance(value, torch.device):
            return torch.device("cpu")
        return value.numbers if isinstance(value, OnSimulatedGpu) else value

    def dressed(value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        # What is changed where it is stays the same tensor, also where its shape is changed.
        same = known.get(id(value))
        if same is None:
            return OnSimulatedGpu(value, here) if here.type == NAME else value
        if same.shape != value.shape:
            same.data = OnSimulatedGpu(value, here)
        return same

    return tree_map(dressed, operator(*tree_map(bare, args), **tree_map(bare, kwargs)))


def register() -> None:
    """Tell PyTorch about the simulated GPU. Before the first backward pass: for it PyTorch makes threads for all devices."""
    backend_registration._setup_privateuseone_for_python_backend(NAME, _Module(), _Hook())
    every, aten = torch.library.Library("_", "IMPL"), torch.library.Library("aten", "IMPL")
    every.fallback(lambda operator, *args, **kwargs: _computed(operator, args, kwargs), "PrivateUse1")
    every.fallback(torch.library.fallthrough_kernel, "AutocastPrivateUse1")
    for name in MADE:
        aten.impl(name, functools.partial(_made, _operator(name)), "PrivateUse1")
    for names, numbers in (
        (IN_SHORT, lambda given: torch.get_autocast_dtype(NAME)),
        (IN_FLOAT32, lambda given: torch.float32),
        (IN_WIDEST, lambda given: max(given, key=lambda dtype: dtype.itemsize)),
    ):
        for name in names:
            aten.impl(name, _cast(name, numbers), "AutocastPrivateUse1")
    _libraries.extend([every, aten])


def _operator(name: str) -> Any:
    packet, _, overload = name.partition(".")
    return getattr(getattr(torch.ops.aten, packet), overload or "default")


def _made(operator: Any, *args: Any, **kwargs: Any) -> Any:
    return _computed(operator, args, kwargs)


def _cast(name: str, numbers: Callable[[Sequence[torch.dtype]], torch.dtype]) -> Callable[..., Any]:
    """Return what computes an operator in the numbers that autocast wants."""
    operator = _operator(name)
    without = torch._C.DispatchKeySet(torch._C.DispatchKey.AutocastPrivateUse1)  # type: ignore[attr-defined]

    def is_cast(value: Any) -> bool:
        is_there = isinstance(value, Tensor) and value.device.type == NAME and value.is_floating_point()
        return is_there and value.dtype != torch.float64

    def kernel(*args: Any, **kwargs: Any) -> Any:
        with torch._C._ExcludeDispatchKeyGuard(without):  # type: ignore[attr-defined]
            given = [value.dtype for value in tree_leaves((args, kwargs)) if is_cast(value)]
            if given:
                wanted = numbers(given)
                args, kwargs = tree_map(lambda v: v.to(wanted) if is_cast(v) else v, (args, kwargs))
            return operator(*args, **kwargs)

    return kernel


class _Module:
    """What PyTorch asks of the module of a device."""

    def is_initialized(self) -> bool:
        return True

    def is_available(self) -> bool:
        return True

    def current_device(self) -> int:
        return 0

    def device_count(self) -> int:
        return 1

    def _is_in_bad_fork(self) -> bool:
        return False

    def manual_seed_all(self, seed: int) -> None:
        """Chance is that of the CPU."""

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16, torch.float16]


class _Hook(torch._C._acc.PrivateUse1Hooks):  # type: ignore[name-defined, misc]
    """What PyTorch asks when it looks for a GPU."""

    def is_available(self) -> bool:
        return True

    def has_primary_context(self, index: int) -> bool:
        return True

    def is_built(self) -> bool:
        return True


@contextmanager
def jobs_use_it(numbers: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> Iterator[torch.device]:
    """Give the simulated GPU to every job that asks for ``mps``.

    With short numbers pixels travel to it as to a GPU of NVIDIA, as the file stores them; else as to the GPU of Apple.

    Args:
        numbers: Numbers that networks compute with there.
    """
    device = torch.device(NAME, 0)
    monkeypatch.delenv("FALSE_PRECISION", raising=False)
    monkeypatch.setattr("false_core.computing.device._parse", lambda name: device if name == "mps" else torch.device(name))
    monkeypatch.setattr(
        "false_core.computing.precision.built_for", lambda device, use: numbers if device.type == NAME else torch.float32
    )
    if numbers != torch.float32:
        for room in ("sampling.cache", "inference.tiled"):
            monkeypatch.setattr(f"false_core.{room}.takes_stored_pixels", lambda device: device.type == NAME)
    # PyTorch computes what these return without asking the device of its arguments, and then does not find it.
    for name in ("tensor", "as_tensor"):
        monkeypatch.setattr(torch, name, _moved(getattr(torch, name)))
    # A tensor of another class cannot take the place of the weights of a module, only that of the whole parameter.
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    yield device
    torch.__future__.set_overwrite_module_params_on_conversion(False)


def _moved(make: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def made(*given: Any, device: Any = None, **named: Any) -> Tensor:
        if device is not None and torch.device(device).type == NAME:
            return make(*given, **named).to(device)
        return make(*given, **named) if device is None else make(*given, device=device, **named)

    return made


register()
