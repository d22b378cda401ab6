"""The gradients of a batch that the device's memory does not hold at once, or that several processes share.

Contrastive losses compare every patch with all others of the batch, so its parts cannot simply be trained in turns, nor each
process by itself. Two passes can do it (Gao et al., "Scaling Deep Contrastive Learning Batch Size under Memory Limited
Setup", RepL4NLP 2021): the first takes the embeddings of all parts and keeps nothing else; the loss of the whole batch gives
their gradients; the second takes the embeddings of one part after the other again, now through to the weights. It costs one
forward pass more, but for a process whose share is one part: it keeps what the second pass would make again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor, nn

from false_core.distributed import ALONE, World
from false_core.methods.method import Method, Outcome, Views


def accumulate_gradients(
    method: Method,
    parts: Sequence[Callable[[], Views]],
    precision: Callable[[], AbstractContextManager[object]] = nullcontext,
    world: World = ALONE,
) -> Outcome:
    """Add the gradients of a batch to those of the weights of ``method``, and return what the batch came to.

    The gradients are those of the whole batch, every patch compared with all others, as long as a patch's embedding depends
    on that patch alone. Batch norms see one part at a time: their means and deviations, which the embeddings depend on, are
    those of a part, and their running averages take in one part after the other.

    Args:
        method: What to train.
        parts: Each makes the views of some patches of this process's share of the batch, in order. Called twice where there
            are several, and must make the same views each time.
        precision: The context of each forward pass, for autocast.
        world: The processes that share the batch, each with as many parts. All end up with the same gradients.
    """
    if len(parts) == 1 and not world.is_shared:
        with precision():
            outcome: Outcome = method(parts[0]())
        torch.autograd.backward(outcome.loss)
        return outcome
    if len(parts) == 1:
        with precision():
            made = [method.represent(parts[0]())]
    else:
        # A context each: autocast keeps the weights it has rounded, and those rounded without gradients must not be used
        # again.
        with torch.no_grad(), _buffers_unchanged(method), precision():
            made = [method.represent(part()) for part in parts]
    # Every process makes the same loss of the embeddings of all, and takes the gradients of its own ones further.
    whole, done = {}, {}
    for level in made[0]:
        everyone = world.gathered(stacked([part[level] for part in made]))
        done[level] = sum(len(theirs) // 2 for theirs in everyone[: world.share.rank])
        whole[level] = stacked(everyone).requires_grad_()
    with precision():
        outcome = method.compare_all(whole)
    torch.autograd.backward(outcome.loss)
    for part in parts:
        representations = made[0]
        if len(parts) > 1:
            with precision():
                representations = method.represent(part())
        slopes = {level: _rows_of(whole[level].grad, done[level], len(r) // 2) for level, r in representations.items()}
        done = {level: done[level] + len(r) // 2 for level, r in representations.items()}
        _descend(representations, slopes)
    world.add_up([weights.grad for weights in method.parameters() if weights.grad is not None])
    return outcome


def _descend(representations: Mapping[str, Tensor], slopes: Mapping[str, Tensor | None]) -> None:
    levels = [level for level, made in representations.items() if made.requires_grad and slopes[level] is not None]
    torch.autograd.backward([representations[level] for level in levels], [slopes[level] for level in levels])


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
