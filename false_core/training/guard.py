"""Failures in the middle of a training. An error names the step, and the state before it is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import torch
from torch import Tensor

from false_core.computing.device import describe, is_failure_of_device, is_out_of_memory
from false_core.errors import Cancelled, DeviceError, FalseError, InputError, OutOfMemoryError
from false_core.raster.file_state import signature_of
from false_core.raster.source import RasterSource
from false_core.training.checkpoint import Checkpoint

UNTRIED = -1
COLLAPSED_STEPS = 20
"""Steps in a row in which all views look the same to the encoder, before the training ends: a batch may do so by chance."""
COLLAPSE_REMEDY = (
    "Take a lower learning rate, or larger batches of more varied places. Or another method: those with negatives do not "
    "collapse."
)


class TrainingGuard:
    """Watches a training run: its losses, its device and its rasters, and saves its state while all is well.

    Args:
        state: Returns the state, which is whole between two steps.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        state: Callable[[], dict[str, Any]],
        rasters: Sequence[RasterSource],
        device: torch.device,
        advice: str,
    ) -> None:
        self._checkpoint, self._state, self._rasters, self._device = checkpoint, state, rasters, device
        self._advice = advice
        self._signatures = [signature_of(raster.files) for raster in rasters]
        # On the device, as asking for each loss would make it wait.
        self._broke_down_at = torch.tensor(UNTRIED, device=device)
        self._collapsed_for = torch.zeros((), device=device)
        self._collapsed_at = torch.tensor(UNTRIED, device=device)

    @contextmanager
    def checkpoint_on_exit(self) -> Iterator[None]:
        """Keep the state where the job ends between two steps: cancelled, or since a raster cannot be read any more."""
        try:
            yield
        except (Cancelled, InputError):
            if self._is_sound():
                with suppress(ValueError):  # The last good one stays then.
                    self._checkpoint.save(self._state())
            raise

    @contextmanager
    def errors_at_step(self, number: int) -> Iterator[None]:
        """Say at which step the device failed.

        Raises:
            OutOfMemoryError, DeviceError: It did.
        """
        try:
            yield
        except (MemoryError, RuntimeError) as error:
            if is_out_of_memory(error):
                raise OutOfMemoryError(
                    f"The memory ran out at step {number}.",
                    "Close other programs, and run the job again: it goes on with what is kept. Or choose a smaller batch "
                    f"size or the quick preset. {self._what_is_kept()}",
                ) from error
            if is_failure_of_device(error):
                raise DeviceError(
                    f"{self._name()} failed at step {number}: {str(error).splitlines()[0]}.",
                    "Run the job again: it goes on with what is kept. If this comes again, restart the computer, or choose "
                    f"cpu. {self._what_is_kept()}",
                ) from error
            raise

    def record(self, number: int, loss: Tensor, collapsed: Tensor | None = None) -> None:
        """Take note of the loss of a step, and of whether the encoder sees no difference, without waiting for the device."""
        if collapsed is not None:
            self._collapsed_for = torch.where(collapsed, self._collapsed_for + 1, 0)
            is_one = (self._collapsed_at == UNTRIED) & (self._collapsed_for >= COLLAPSED_STEPS)
            self._collapsed_at = torch.where(is_one, number, self._collapsed_at)
        broke = (self._broke_down_at == UNTRIED) & ~torch.isfinite(loss.detach())
        self._broke_down_at = torch.where(broke, number, self._broke_down_at)

    def read(self, *values: Tensor) -> list[float]:
        """Return numbers that lie on the device, and find out whether all has gone well so far, in one copy from it.

        Raises:
            FalseError: A loss was no number, or the encoder has collapsed.
        """
        together = [value.detach().float() for value in (self._broke_down_at, self._collapsed_at, *values)]
        number, collapsed, *found = torch.stack(together).tolist()
        if number != UNTRIED:
            number = round(number)
            raise FalseError(
                f"Training broke down at step {number}: the loss is no finite number.",
                f"{self._advice} {self._what_is_kept()}",
            )
        if collapsed != UNTRIED:
            raise FalseError(
                f"Training collapsed at step {round(collapsed)}: all views look the same to the encoder.",
                f"{COLLAPSE_REMEDY} {self._what_is_kept()}",
            )
        return found

    def save(self) -> None:
        """Save the state, if it is worth it.

        Raises:
            FalseError: The numbers have run away, or the encoder has collapsed.
            InputError: A raster is another one now.
        """
        self.read()
        for raster, signature in zip(self._rasters, self._signatures):
            if signature_of(raster.files) != signature:
                raise InputError(
                    f"{raster.name} was changed or removed while it was learned from.",
                    "Start the job again when nothing writes to it any more.",
                )
        state = self._state()
        try:
            self._checkpoint.save(state)
        except ValueError as error:
            raise FalseError(
                f"Training broke down at step {state['step']}: the weights are no finite numbers.",
                f"{self._advice} {self._what_is_kept()}",
            ) from error

    def save_when_due(self) -> None:
        """Save the state where enough time has passed. Raises what ``save`` does."""
        if self._checkpoint.is_due:
            self.save()

    def _is_sound(self) -> bool:
        unchanged = all(
            signature_of(raster.files) == signature for raster, signature in zip(self._rasters, self._signatures)
        )
        return unchanged and int(self._broke_down_at) == int(self._collapsed_at) == UNTRIED

    def _what_is_kept(self) -> str:
        step = self._checkpoint.step
        return "Nothing was kept yet." if step is None else f"The state of step {step} is kept."

    def _name(self) -> str:
        try:
            name = describe(self._device)
        except RuntimeError:  # It does not even say its name any more.
            return f"The device {self._device}"
        return name[0].upper() + name[1:]
