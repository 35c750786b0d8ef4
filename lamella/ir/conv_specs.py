"""Every kind of convolution as one contraction: strided, dilated, grouped, depthwise, transposed, both data formats."""

from __future__ import annotations

from collections.abc import Sequence

from lamella.ir.primitives.contract import Affine, ContractSpec


def grouped_conv_spec(x_shape: Sequence[int], kernel_shape: Sequence[int], strides: Sequence[int], low: Sequence[int],
                      out_spatial: Sequence[int], dilation: Sequence[int], channels_first: bool = False,
                      transposed: bool = False) -> ContractSpec:
    """Cross-correlation within groups of channels, which have an axis of their own in all operands.

        out[n, o, g, f] = sum over k, c of x[n, stride o + dilation k - low, g, c] * kernel[k, c, g, f]

    With the groups as an axis every index map is one axis plus at most a spatial one, so that the gradients are
    contractions of the same cost.

    Args:
        x_shape: (n, *spatial, groups, channels); channels_first: (n, groups, channels, *spatial).
        kernel_shape: (*window, channels, groups, filters); transposed: (*window, groups, filters, channels), which is
            read backwards along the window.
        strides, low, out_spatial, dilation: one number per spatial axis; `low` is the zero padding before it. The
            padding behind follows from `out_spatial`.
        channels_first: whether the spatial axes of x and of the result stand last.
        transposed: whether the kernel is that of a transposed convolution.

    Returns:
        The spec; the result has the axes of x, with filters in place of channels.

    Example:
        >>> print(grouped_conv_spec((8, 9, 1, 3), (2, 3, 1, 5), [2], [0], [4], [1]))
        <8,4,1,5|2,3; a0,2*a1+a4,a2,a5; a4,a5,a2,a3>
    """
    d = len(strides)
    window, (c, g, f) = tuple(kernel_shape[:d]), _channel_sizes(kernel_shape[d:], transposed)
    groups_at, filters_at, first = (1, 2, 3) if channels_first else (d + 1, d + 2, 1)
    out_shape = (x_shape[0], g, f, *out_spatial) if channels_first else (x_shape[0], *out_spatial, g, f)
    window_at, channels_at, rank = d + 3, 2 * d + 3, 2 * d + 4

    def axis(*terms: tuple[int, int], offset: int = 0) -> Affine:
        return Affine(tuple(dict(terms).get(a, 0) for a in range(rank)), offset)

    def one(a: int) -> Affine:
        return axis((a, 1))

    spatial = tuple(axis((first + i, strides[i]), (window_at + i, dilation[i]), offset=-low[i]) for i in range(d))
    channels = (one(groups_at), one(channels_at))
    x_map = (one(0), *channels, *spatial) if channels_first else (one(0), *spatial, *channels)
    if transposed:
        backwards = (axis((window_at + i, -1), offset=window[i] - 1) for i in range(d))
        kernel_map = (*backwards, one(groups_at), one(filters_at), one(channels_at))
    else:
        kernel_map = (*(one(window_at + i) for i in range(d)), one(channels_at), one(groups_at), one(filters_at))
    return ContractSpec(out_shape, (*window, c), (x_map, kernel_map))


def _channel_sizes(sizes: Sequence[int], transposed: bool) -> tuple[int, int, int]:
    """(channels, groups, filters) from the last three sizes of a kernel."""
    c, g, f = (sizes[2], sizes[0], sizes[1]) if transposed else sizes
    return c, g, f
