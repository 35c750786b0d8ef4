"""Connectionist temporal classification: a sequence of labels against more frames, whatever their alignment.

Source: Graves et al. 2006, "Connectionist temporal classification".
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lamella.errors import LamellaError, ShapeError, did_you_mean
from lamella.frontend import Tensor, cast, convert_to_tensor, is_tracing
from lamella.frontend.arithmetic import to_floats
from lamella.ops.control import scan
from lamella.ops.creation import arange, full, full_like
from lamella.ops.crossentropy import one_hot
from lamella.ops.elementwise import logaddexp, negative
from lamella.ops.indexed import take_along_axis
from lamella.ops.linear import einsum
from lamella.ops.logic import logical_and, logical_or, where
from lamella.ops.nn import log_softmax
from lamella.ops.reduction import argmax, logsumexp, max, sum
from lamella.ops.shaping import concatenate, expand_dims, pad, reshape, stack, transpose
from lamella.ops.sorting import argsort

_LOG_ZERO = -1e5  # finite, so that impossible alignments have a large loss and gradients without NaN


def ctc_loss(target: Any, output: Any, target_length: Any, output_length: Any, mask_index: int = 0) -> Tensor:
    """-ln of the sum of the probabilities of all alignments of the labels with the frames.

    States s = 0 ... 2 L are the labels with a blank before, between and after them; frame by frame
    a[s] <- ln p(s) + ln(e^a[s] + e^a[s - 1] + e^a[s - 2]), the last only onto a label that differs from the one before. Labels that
    cannot be aligned (too many for the frames) have a loss of about 1e5 instead of infinity.

    Args:
        target: labels, integers (n, L); behind the length they don't count.
        output: logits, (n, frames, classes).
        target_length: number of labels, (n,).
        output_length: number of frames, (n,).
        mask_index: the class of the blank.

    Returns:
        (n,).

    Raises:
        ShapeError: the shapes don't fit.

    Example:
        >>> round(ctc_loss([[1]], [[[0.0, 0.0], [0.0, 0.0]]], [1], [2]).numpy()[0].item(), 4)
        0.2877
    """
    labels, (output,) = cast(convert_to_tensor(target), "int32"), to_floats(convert_to_tensor(output))
    if labels.ndim != 2 or output.ndim != 3 or labels.shape[0] != output.shape[0]:
        raise ShapeError(f"ctc_loss takes labels (n, length) and logits (n, frames, classes), received {labels.shape} and "
                         f"{output.shape}.")
    output = output if output.dtype == "float64" else cast(output, "float32")
    n, frames, classes = output.shape
    states = _with_blanks(labels, mask_index)
    scores = einsum("ntc,nsc->tns", log_softmax(output), one_hot(states, classes, dtype=output.dtype))
    before = pad(states[:, :-2], ((0, 0), (2, 0)), constant_values=mask_index)
    skip = logical_and(states != mask_index, states != before)
    used = arange(frames) < expand_dims(cast(convert_to_tensor(output_length), "int32"), -1)
    never = full_like(scores[0], _LOG_ZERO)
    start = concatenate([never[:, :1] * 0, never[:, 1:]], 1)

    def frame(alpha: Tensor, row: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[()]]:
        score, counts = row
        onward = logaddexp(alpha, _shifted(alpha, 1))
        jump = where(skip, _shifted(alpha, 2), never)
        return where(counts, score + logaddexp(onward, jump), alpha), ()

    last, _ = scan(frame, start, (scores, expand_dims(transpose(used), -1)))
    end = expand_dims(2 * cast(convert_to_tensor(target_length), "int32"), -1)
    number = arange(states.shape[1])
    final = logical_or(number == end, number == end - 1)
    return negative(logsumexp(where(final, last, never), axis=1))


def _with_blanks(labels: Tensor, blank: int) -> Tensor:
    """(n, L) labels as (n, 2 L + 1): a blank before, between and after."""
    n, length = labels.shape
    pairs = reshape(stack([full_like(labels, blank), labels], -1), (n, 2 * length))
    return concatenate([pairs, full((n, 1), blank, labels.dtype)], 1)


def _shifted(x: Tensor, by: int) -> Tensor:
    """x[:, s - by], with probability 0 before the start."""
    return pad(x, ((0, 0), (by, 0)), constant_values=_LOG_ZERO)[:, : x.shape[1]]


def ctc_decode(
    inputs: Any, sequence_lengths: Any, strategy: str = "greedy", beam_width: int = 100, top_paths: int = 1,
    merge_repeated: bool = True, mask_index: int | None = 0,
) -> tuple[Tensor, Tensor]:
    """The labels that frames say.

    Args:
        inputs: (n, frames, classes): logits for "beam_search", any scores for "greedy".
        sequence_lengths: number of frames, (n,).
        strategy: "greedy": the best class of each frame; "beam_search": the most probable label sequences, whatever their
            alignment (outside of traces only).
        beam_width: sequences that are followed up.
        top_paths: sequences to return.
        merge_repeated: whether equal neighbours are one label ("greedy").
        mask_index: the class of the blank; None: the last one.

    Returns:
        Labels (1 or top_paths, n, frames), filled up with -1, int32; and scores: minus the sum of the best scores (n, 1), or
        logarithms of probabilities (n, top_paths).

    Raises:
        ValueError: another strategy.

    Example:
        >>> ctc_decode([[[0.1, 0.9], [0.8, 0.2], [0.3, 0.7]]], [3])[0].numpy().tolist()
        [[[1, 1, -1]]]
    """
    (inputs,) = to_floats(convert_to_tensor(inputs))
    inputs = inputs if inputs.dtype == "float64" else cast(inputs, "float32")
    lengths = cast(convert_to_tensor(sequence_lengths), "int32")
    blank = inputs.shape[-1] - 1 if mask_index is None else mask_index
    if strategy == "greedy":
        return _greedy(inputs, lengths, merge_repeated, blank)
    if strategy != "beam_search":
        raise ValueError(f"Unknown strategy {strategy!r}. {did_you_mean(strategy, ('greedy', 'beam_search'))}")
    if is_tracing():
        raise LamellaError("ctc_decode(strategy='beam_search') is for values that are known, not for compiled functions.")
    samples = zip(log_softmax(inputs).numpy(), lengths.numpy(), strict=True)
    found = [_beam_search(x, n, beam_width, top_paths, blank) for x, n in samples]
    paths, scores = (np.stack(part) for part in zip(*found, strict=True))
    return convert_to_tensor(paths.swapaxes(0, 1)), convert_to_tensor(scores.astype(inputs.dtype))


def _greedy(inputs: Tensor, lengths: Tensor, merge_repeated: bool, blank: int) -> tuple[Tensor, Tensor]:
    frames = inputs.shape[1]
    beyond = arange(frames) >= expand_dims(lengths, -1)
    best = where(beyond, blank, argmax(inputs, -1))
    score = negative(sum(where(beyond, 0.0, max(inputs, -1)), 1, True))
    dropped = best == blank
    if merge_repeated:
        same = best[:, 1:] == best[:, :-1]
        dropped = logical_or(dropped, pad(same, ((0, 0), (1, 0)), constant_values=False))
    order = argsort(where(dropped, frames, arange(frames)), -1)
    return expand_dims(take_along_axis(where(dropped, -1, best), order, -1), 0), score


def _beam_search(log_p: np.ndarray, length: int, width: int, count: int, blank: int) -> tuple[np.ndarray, np.ndarray]:
    """The `count` best label sequences of one sample and their log probabilities.

    Each sequence has two scores: of alignments that end with its last label, and of those that end with a blank.
    """
    frames, classes = log_p.shape
    paths: list[tuple[int, ...]] = [()]
    label, gap = np.array([-np.inf]), np.array([0.0])
    for x in log_p[: np.clip(length, 1, frames)].astype(np.float64):
        total = np.logaddexp(label, gap)
        last = np.array([p[-1] if p else -1 for p in paths])
        longer = total[:, None] + x
        repeats = np.flatnonzero(last >= 0)
        longer[repeats, last[repeats]] = gap[repeats] + x[last[repeats]]  # a repeated label needs a blank between
        longer[:, blank] = -np.inf
        stay = np.where(last >= 0, label + x[last], -np.inf)
        place = {p: i for i, p in enumerate(paths)}
        for i, p in enumerate(paths):  # a longer sequence that is followed up already
            k = place.get(p[:-1]) if p else None
            if k is not None:
                stay[i] = np.logaddexp(stay[i], longer[k, p[-1]])
                longer[k, p[-1]] = -np.inf
        gap = total + x[blank]
        scores = np.concatenate([np.logaddexp(stay, gap), longer.ravel()])
        best = np.argsort(-scores, kind="stable")[:width]
        best = best[scores[best] > -np.inf]
        kept, grown = best[best < len(paths)], best[best >= len(paths)] - len(paths)
        label = np.concatenate([stay[kept], longer.ravel()[grown]])
        gap = np.concatenate([gap[kept], np.full(len(grown), -np.inf)])
        paths = [paths[i] for i in kept] + [(*paths[i // classes], int(i % classes)) for i in grown]
    total = np.logaddexp(label, gap)
    result, scores = np.full((count, frames), -1, np.int32), np.full(count, -np.inf)
    for row, i in enumerate(np.argsort(-total, kind="stable")[:count]):
        result[row, : len(paths[i])], scores[row] = paths[i], total[i]
    return result, scores
