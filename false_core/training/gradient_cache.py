"""The gradients of a batch that the device's memory does not hold at once, or that several processes share.

Contrastive losses compare every patch with all others of the batch, so its parts cannot simply be trained in turns, nor each
process by itself. Two passes can do it (GradCache: Gao et al., "Scaling Deep Contrastive Learning Batch Size under Memory
Limited Setup", RepL4NLP 2021): the first takes the embeddings of all parts and keeps nothing else; the loss of the whole
batch gives their gradients; the second takes the embeddings of one part after the other again, now through to the weights.
It costs one forward pass more, but for a process whose share is one part: it keeps what the second pass would make again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.amp import GradScaler

from false_core.computing.distributed import ALONE, World
from false_core.methods.method import FirstLook, Method, Outcome, Views
from false_core.training.gradient_sum import GradientSum

OF_ONE_PROCESS = GradientSum((), ALONE)
UNSCALED = GradScaler("cpu", enabled=False)


def accumulate_gradients(
    method: Method,
    micro_batches: Sequence[Callable[[], Views]],
    precision: Callable[[], AbstractContextManager[object]] = nullcontext,
    together: GradientSum = OF_ONE_PROCESS,
    scaler: GradScaler = UNSCALED,
) -> Outcome:
    """Add the gradients of a batch to those of the weights of ``method``, and return what the batch came to.

    The gradients are those of the whole batch, every patch compared with all others, as long as a patch's embedding depends
    on that patch alone. Batch norms see one part at a time: their means and deviations, which the embeddings depend on, are
    those of a part, and their running averages take in one part after the other.

    A method that looks twice looks for the first time here, before all that.

    Args:
        micro_batches: Functions that each make the views of some patches of this process's share, in order. Each is called
            twice where there are several, and must make the same views each time.
        precision: The context of each forward pass, for autocast.
        together: Function that adds up the gradients of the processes that share the batch, each with as many parts. All end
            up with the same.
        scaler: Scales the gradients.
    """
    world = together.world
    if method.looks_twice:
        micro_batches = _focused(method, micro_batches, precision, world, scaler)
    if len(micro_batches) == 1 and not world.is_shared:
        with precision():
            outcome: Outcome = method(micro_batches[0]())
        torch.autograd.backward(scaler.scale(outcome.loss))
        return outcome
    if len(micro_batches) == 1:
        with precision():
            made = [method.represent(micro_batches[0]())]
    else:
        # A context each: autocast keeps the weights it has rounded, and those rounded without gradients must not be used
        # again.
        with torch.no_grad(), _buffers_unchanged(method), precision():
            made = [method.represent(part()) for part in micro_batches]
    batch_loss = _batch_loss(method, made, precision, world, scaler)
    for number, part in enumerate(micro_batches, start=1):
        representations = made[0]
        if len(micro_batches) > 1:
            with precision():
                representations = method.represent(part())
        with together.last_backward() if number == len(micro_batches) else nullcontext():
            _backward(representations, batch_loss.gradients_of(representations))
    return batch_loss.outcome


def _focused(
    method: Method,
    micro_batches: Sequence[Callable[[], Views]],
    precision: Callable[[], AbstractContextManager[object]],
    world: World,
    scaler: GradScaler,
) -> list[Callable[[], Views]]:
    """Look at a batch for the first time, and return what makes the views to look at the second time."""
    with _buffers_unchanged(method):
        if len(micro_batches) == 1:
            views = micro_batches[0]()
            with precision():
                look = method.first_look(views)
            batch_loss = _batch_loss(method, [look.representations], precision, world, scaler)
            seen = method.focused(views, method.focus(views, look.features, batch_loss.gradients_at(look)))
            return [lambda: seen]
        with torch.no_grad(), precision():
            made = [method.represent(part()) for part in micro_batches]
        batch_loss = _batch_loss(method, made, precision, world, scaler)
        foci = []
        for part in micro_batches:
            views = part()
            with precision():
                look = method.first_look(views)
            foci.append(method.focus(views, look.features, batch_loss.gradients_at(look)))
    return [
        partial(lambda part, focus: method.focused(part(), focus), part, focus) for part, focus in zip(micro_batches, foci)
    ]


@dataclass
class _BatchLoss:
    """The loss of a whole batch, and its gradients at what was compared.

    Attributes:
        whole: Tensors that were compared, by name, of all processes and parts.
        done: Rows whose gradients have been given out, of each half.
    """

    outcome: Outcome
    whole: dict[str, Tensor]
    done: dict[str, int]

    def gradients_of(self, representations: Mapping[str, Tensor]) -> dict[str, Tensor | None]:
        """Return the gradients at those of the next part, None where the loss does not depend on them."""
        gradients = {}
        for name, made in representations.items():
            rows = len(made) // 2
            gradients[name] = _rows_of(self.whole[name].grad, self.done[name], rows)
            self.done[name] += rows
        return gradients

    def gradients_at(self, look: FirstLook) -> Tensor:
        """Return the gradients at the features of the first look at the next part."""
        gradients = self.gradients_of(look.representations)
        names = [name for name, made in look.representations.items() if made.requires_grad and gradients[name] is not None]
        made, given = [look.representations[name] for name in names], [gradients[name] for name in names]
        # Which of them are the largest counts, and also one that overflowed is a number then.
        return torch.autograd.grad(made, look.features, given)[0].nan_to_num()


def _batch_loss(
    method: Method,
    made: Sequence[Mapping[str, Tensor]],
    precision: Callable[[], AbstractContextManager[object]],
    world: World,
    scaler: GradScaler,
) -> _BatchLoss:
    """Compare all that the parts of all processes came to.

    Every process has the loss of the embeddings of all, and takes the gradients of its own ones further. What compares each
    anchor with all others is shared, see ``Method.world``.
    """
    own = {name: stacked([part[name] for part in made]) for name in made[0]}
    lengths = dict(zip(own, zip(*world.numbers([len(rows) for rows in own.values()]))))
    whole, done = {}, {}
    for name, rows in own.items():
        whole[name] = stacked(world.all_gather(rows, lengths[name])).requires_grad_()
        done[name] = sum(lengths[name][: world.share.rank]) // 2
    with precision():
        outcome = method.compare_all(whole)
    torch.autograd.backward(scaler.scale(outcome.loss))
    return _BatchLoss(outcome, whole, done)


def _backward(representations: Mapping[str, Tensor], gradients: Mapping[str, Tensor | None]) -> None:
    levels = [level for level, made in representations.items() if made.requires_grad and gradients[level] is not None]
    torch.autograd.backward([representations[level] for level in levels], [gradients[level] for level in levels])


def stacked(parts: Sequence[Tensor]) -> Tensor:
    """Join parts (2n, d), each of first views stacked on second views, to a whole that is stacked the same way."""
    halves = [part.chunk(2) for part in parts]
    return torch.cat([first for first, _ in halves] + [second for _, second in halves])


def _rows_of(whole: Tensor | None, start: int, count: int) -> Tensor | None:
    """Undo ``stacked`` for the part that begins at row ``start`` of both halves."""
    return None if whole is None else torch.cat([half[start : start + count] for half in whole.chunk(2)])


@contextmanager
def _buffers_unchanged(module: nn.Module) -> Iterator[None]:
    """Undo what happens to the buffers meanwhile: batch norms would count every part twice."""
    kept = [buffer.clone() for buffer in module.buffers()]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, before in zip(module.buffers(), kept):
                buffer.copy_(before)
