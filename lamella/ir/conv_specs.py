"""Every kind of convolution as one contraction: strided, dilated, grouped, depthwise, transposed, both data formats."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lamella.ir.primitives.contract import Affine, ContractSpec


def grouped_conv_spec(x_shape: Sequence[int], kernel_shape: Sequence[int], strides: Sequence[int], low: Sequence[int],
                      out_spatial: Sequence[int], dilation: Sequence[int],
                      channels_first: bool = False) -> ContractSpec:
    """Cross-correlation within groups of channels, which have an axis of their own in all operands.

        out[n, o, g, f] = sum over k, c of x[n, stride o + dilation k - low, g, c] * kernel[k, c, g, f]

    With the groups as an axis every index map is one axis plus at most a spatial one, so that the gradients are
    contractions of the same cost.

    Args:
        x_shape: (n, *spatial, groups, channels); channels_first: (n, groups, channels, *spatial).
        kernel_shape: (*window, channels, groups, filters).
        strides, low, out_spatial, dilation: one number per spatial axis; `low` is the zero padding before it. The
            padding behind follows from `out_spatial`.
        channels_first: whether the spatial axes of x and of the result stand last.

    Returns:
        The spec; the result has the axes of x, with filters in place of channels.

    Example:
        >>> print(grouped_conv_spec((8, 9, 1, 3), (2, 3, 1, 5), [2], [0], [4], [1]))
        <8,4,1,5|2,3; a0,2*a1+a4,a2,a5; a4,a5,a2,a3>
    """
    d = len(strides)
    window, (c, g, f) = tuple(kernel_shape[:d]), kernel_shape[d:]
    groups_at, filters_at, first = (1, 2, 3) if channels_first else (d + 1, d + 2, 1)
    out_shape = (x_shape[0], g, f, *out_spatial) if channels_first else (x_shape[0], *out_spatial, g, f)
    window_at, channels_at = d + 3, 2 * d + 3
    axis = _axes(2 * d + 4)
    spatial = [axis((first + i, strides[i]), (window_at + i, dilation[i]), offset=-low[i]) for i in range(d)]
    channels = (axis((groups_at, 1)), axis((channels_at, 1)))
    x_map = (axis((0, 1)), *channels, *spatial) if channels_first else (axis((0, 1)), *spatial, *channels)
    kernel_axes = (*range(window_at, channels_at + 1), groups_at, filters_at)
    return ContractSpec(out_shape, (*window, c), (x_map, tuple(axis((a, 1)) for a in kernel_axes)))


def transposed_conv_spec(x_shape: Sequence[int], kernel_shape: Sequence[int], starts: Sequence[int],
                         counts: Sequence[int], dilation: Sequence[int], channels_first: bool = False) -> ContractSpec:
    """The transpose of a convolution with stride s, for each residue of the output position modulo s at once.

    Output position s (q + start) + r, with 0 <= r < s, meets the kernel elements s t + r, and those alone:

        out[n, q, r, f] = sum over t, c of x[n, q + start - dilation t, c] * kernel[t, r, f, c]

    so that no product with the zeros of a spread input is computed.

    Args:
        x_shape: (n, *spatial, channels); channels_first: (n, channels, *spatial).
        kernel_shape: t and r of each spatial axis, then filters and channels: (t1, r1, t2, r2, ..., filters, channels).
        starts, counts: first q and number of them, per spatial axis.
        dilation: per spatial axis; above 1 only where the stride is 1.
        channels_first: whether the spatial axes of x and of the result stand last.

    Returns:
        The spec; the result is (n, q1, r1, q2, r2, ..., filters), channels_first (n, filters, q1, r1, ...).

    Example:
        >>> print(transposed_conv_spec((8, 9, 3), (2, 2, 5, 3), [0], [10], [1]))
        <8,10,2,5|2,3; a0,a1-1*a4,a5; a4,a2,a3,a5>
    """
    d = len(starts)
    taps, residues, (f, c) = kernel_shape[0 : 2 * d : 2], kernel_shape[1 : 2 * d : 2], kernel_shape[2 * d :]
    places = [n for pair in zip(counts, residues, strict=True) for n in pair]
    filters_at, first = (1, 2) if channels_first else (2 * d + 1, 1)
    out_shape = (x_shape[0], f, *places) if channels_first else (x_shape[0], *places, f)
    taps_at, channels_at = 2 * d + 2, 3 * d + 2
    axis = _axes(3 * d + 3)
    spatial = [axis((first + 2 * i, 1), (taps_at + i, -dilation[i]), offset=starts[i]) for i in range(d)]
    channel = axis((channels_at, 1))
    x_map = (axis((0, 1)), channel, *spatial) if channels_first else (axis((0, 1)), *spatial, channel)
    kernel_axes = [a for i in range(d) for a in (taps_at + i, first + 2 * i + 1)] + [filters_at, channels_at]
    return ContractSpec(out_shape, (*taps, c), (x_map, tuple(axis((a, 1)) for a in kernel_axes)))


def _axes(rank: int) -> Callable[..., Affine]:
    """Maker of index expressions over `rank` axes from (axis, coefficient) pairs and an offset."""
    def axis(*terms: tuple[int, int], offset: int = 0) -> Affine:
        return Affine(tuple(dict(terms).get(a, 0) for a in range(rank)), offset)
    return axis
