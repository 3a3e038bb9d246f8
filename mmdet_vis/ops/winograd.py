"""3x3 convolutions with a quarter of the multiplications: Winograd's minimal filtering F(4x4, 3x3).

Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, section 4.1. A tile of 6x6 inputs gives one of 4x4
outputs: both are transformed by small constant matrices, and between them every one of the 36 transformed positions is
one matrix product over the channels. CUDA's convolutions do this by themselves; the CPU's do not.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

TILE = 4
"""Side of a tile of outputs."""

PATCH = TILE + 2
"""Side of the tile of inputs that it hangs on."""

POINTS = (0.0, 0.75, -0.75, 1.5, -1.5)
"""Where the polynomials are evaluated, beside infinity. With the usual 0, 1, -1, 2, -2 the rounding error is twice as
large; these are exact in float32, too."""

TILES_PER_THREAD = 128
"""Tiles under way at once: few enough to stay in the cache, enough to keep the products large."""

BUFFER_BYTES = 24 * 2**20
"""Most that each of two buffers takes, whatever the number of threads: from 32 MB on, glibc maps memory anew for every
call, and the page faults cost more than the products."""


@lru_cache(maxsize=1)
def transforms() -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """The one-dimensional transforms of outputs ``[4, 6]``, kernels ``[6, 3]`` and inputs ``[6, 6]`` (Toom-Cook)."""
    output, kernel, signal = np.zeros((TILE, PATCH)), np.zeros((PATCH, 3)), np.zeros((PATCH, PATCH))
    for i, point in enumerate(POINTS):
        others = [p for p in POINTS if p != point]
        output[:, i] = point ** np.arange(TILE)
        kernel[i] = point ** np.arange(3) / np.prod([point - p for p in others])
        signal[i, :-1] = np.poly(others)[::-1]
    output[-1, -1] = kernel[-1, -1] = 1.0  # infinity takes the leading coefficients
    signal[-1] = np.poly(POINTS)[::-1]
    return output, kernel, signal


@lru_cache(maxsize=1)
def tile_transforms() -> tuple[Tensor, Tensor]:
    """Of tiles written as one axis: inputs ``[36, 36]`` and outputs ``[16, 36]`` float32."""
    output, _, signal = transforms()
    pair = np.kron(signal, signal), np.kron(output, output)
    return torch.from_numpy(pair[0]).float(), torch.from_numpy(pair[1]).float()


def transform_kernel(weight: Tensor) -> Tensor:
    """A convolution's weights ``[O, C, 3, 3]`` as ``[36, C, O]`` float32, for :func:`conv3x3`."""
    kernel = torch.from_numpy(transforms()[1])
    transformed = torch.empty((PATCH * PATCH, weight.shape[1], weight.shape[0]))
    pieces = zip(weight.detach().split(32), transformed.split(32, dim=2), strict=True)  # float64 takes twice the memory
    for piece, target in pieces:
        target.copy_(torch.einsum("ai,bj,ocij->abco", kernel, kernel, piece.double()).flatten(0, 1))
    return transformed


@torch.no_grad()
def conv3x3(x: Tensor, kernel: Tensor, bias: Tensor | None, relu: bool = False) -> Tensor:
    """A 3x3 convolution of stride 1 and padding 1.

    Equal to the direct one up to rounding. Root mean square error over 256 channels of normal numbers, as a share of
    the output's: 1.5e-6, the direct one's 2e-7 (8e-7 in the channels-last layout). It goes by the largest input of a
    tile, where the direct one's goes by what an output sees.

    Args:
        x: ``[N, C, H, W]`` float32 on the CPU; channels-last is the faster layout.
        kernel: ``[36, C, O]`` from :func:`transform_kernel`.
        bias: ``[O]``.
        relu: whether to take the ReLU of ``x`` first.

    Returns:
        ``[N, O, H, W]`` float32, channels-last.
    """
    number, channels, height, width = x.shape
    out_channels = kernel.shape[2]
    rows, columns = -(-height // TILE), -(-width // TILE)
    image = x.permute(0, 2, 3, 1)
    out = x.new_empty((number, TILE * rows, TILE * columns, out_channels))
    if not out.numel():
        return out[:, :height, :width].permute(0, 3, 1, 2)
    depth = PATCH * PATCH * max(channels, out_channels)
    limit = min(TILES_PER_THREAD * torch.get_num_threads(), BUFFER_BYTES // (out.element_size() * depth))
    # Small maps are taken several at a time, large ones in bands of tile rows.
    images = max(1, min(number, limit // (rows * columns)))
    band = min(rows, max(1, limit // columns))
    most = depth * images * band * columns
    buffers = x.new_empty(most), x.new_empty(most)
    for first in range(0, number, images):
        some, target = image[first : first + images], out[first : first + images]
        for row in range(0, rows, band):
            stop = min(row + band, rows)
            padded = _padded(some, TILE * row - 1, TILE * stop + 1, TILE * columns + 2, relu)
            _filter(padded, kernel, bias, target[:, TILE * row : TILE * stop], buffers)
    return out[:, :height, :width].contiguous().permute(0, 3, 1, 2)


def _padded(image: Tensor, start: int, stop: int, width: int, relu: bool) -> Tensor:
    """Rows ``[start, stop)`` of images ``[N, H, W, C]``, with zeros where there are none and around the columns."""
    height, inside = image.shape[1:3]
    low, high = max(start, 0), min(stop, height)
    padded = image.new_zeros((len(image), stop - start, width, image.shape[3]))
    target = padded[:, low - start : high - start, 1 : 1 + inside]
    if relu:
        torch.clamp(image[:, low:high], min=0, out=target)
    else:
        target.copy_(image[:, low:high])
    return padded


def _filter(
    padded: Tensor, kernel: Tensor, bias: Tensor | None, target: Tensor, buffers: tuple[Tensor, Tensor]
) -> None:
    """Write the outputs ``[N, 4R, 4S, O]`` of images ``[N, 4R + 2, >= 4S + 2, C]``."""
    number, height, width, out_channels = target.shape
    shape = number, height // TILE, width // TILE
    tiles, channels = shape[0] * shape[1] * shape[2], padded.shape[3]
    to_kernel, to_output = tile_transforms()

    def buffer(which: int, positions: int, depth: int) -> Tensor:
        return buffers[which][: positions * tiles * depth].view(positions, tiles * depth)

    per_image, per_row, per_column, _ = padded.stride()
    strides = per_row, per_column, per_image, TILE * per_row, TILE * per_column, 1
    patches = buffer(0, PATCH * PATCH, channels)
    patches.view(PATCH, PATCH, *shape, channels).copy_(padded.as_strided((PATCH, PATCH, *shape, channels), strides))
    transformed = torch.mm(to_kernel, patches, out=buffer(1, PATCH * PATCH, channels))
    products = buffer(0, PATCH * PATCH, out_channels)
    torch.bmm(transformed.view(-1, tiles, channels), kernel, out=products.view(PATCH * PATCH, tiles, out_channels))
    outputs = torch.mm(to_output, products, out=buffer(1, TILE * TILE, out_channels))
    ordered = outputs.view(TILE, TILE, *shape, out_channels).permute(2, 3, 0, 4, 1, 5)
    split = target.view(shape[0], shape[1], TILE, shape[2], TILE, out_channels)
    if bias is None:
        split.copy_(ordered)
    else:
        torch.add(ordered, bias, out=split)
