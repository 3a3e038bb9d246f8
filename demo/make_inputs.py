#!/usr/bin/env python3
"""Make demo/inputs: a folder of frames and an mp4 from photographs in the public domain, see demo/README.md.

A virtual camera (pan, zoom, tilt, handheld shake) looks at a photograph while people who were cut out of others walk
through it: they hide one another, leave, come back and change their size.
"""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator
from scipy.ndimage import binary_fill_holes, distance_transform_edt

from mmdet_vis.errors import OutputError, SourceError, run_command
from mmdet_vis.files.atomic import atomic_write, ensure_writable_dir
from mmdet_vis.visualization.video_writer import VideoWriter

FPS = 12.0
SEED = 7
JPEG_QUALITY = 82
SHUTTER = 0.2
"""Part of the time between two frames for which the shutter is open: how much motion blurs."""
SUBFRAMES = 6
"""Instants that are averaged into one frame."""
GAMMA = 2.2

Picture = NDArray[np.float32]
Points = Sequence[tuple[int, int]]

# Where each object of a photograph ends, in pixels (x, y), drawn by hand; :func:`cut_out` finds the exact line near it.
ASTRONAUT: Points = (
    (24, 511), (22, 430), (27, 370), (27, 340), (40, 290), (60, 258), (95, 222), (112, 212), (114, 188), (124, 168),
    (150, 152), (180, 148), (182, 132), (172, 122), (158, 105), (154, 75), (160, 52), (185, 35), (205, 20), (235, 15),
    (262, 20), (285, 40), (300, 70), (300, 100), (288, 120), (272, 134), (264, 150), (258, 172), (280, 185),
    (300, 215), (305, 235), (330, 248), (345, 272), (352, 290), (358, 320), (363, 345), (385, 345), (410, 343),
    (440, 350), (465, 368), (485, 400), (494, 440), (496, 456), (505, 470), (508, 500), (508, 511),
)  # fmt: skip
ADMIRAL: Points = (
    (12, 599), (22, 500), (28, 430), (45, 395), (60, 382), (110, 362), (160, 347), (190, 325), (197, 312), (198, 300),
    (180, 290), (162, 270), (163, 245), (152, 210), (152, 190), (150, 180), (145, 130), (150, 105), (163, 94),
    (175, 80), (183, 60), (215, 40), (220, 28), (255, 22), (295, 30), (310, 45), (340, 60), (352, 88), (367, 92),
    (372, 120), (370, 175), (376, 190), (373, 225), (365, 260), (355, 290), (335, 308), (332, 315), (360, 335),
    (400, 355), (450, 375), (490, 390), (500, 405), (511, 440), (511, 599),
)  # fmt: skip
CAMERAMAN: Points = (
    (0, 258), (20, 230), (50, 190), (75, 155), (115, 130), (150, 110), (160, 105), (165, 90), (190, 70), (215, 64),
    (245, 80), (268, 100), (270, 125), (255, 137), (258, 141), (322, 139), (326, 150), (322, 168), (332, 180),
    (330, 200), (305, 232), (301, 245), (303, 275), (299, 285), (299, 345), (287, 345), (287, 295), (250, 312),
    (235, 310), (215, 300), (170, 360), (140, 385), (150, 450), (152, 511), (0, 511),
)  # fmt: skip
FACE: Points = (
    (178, 132), (183, 126), (200, 133), (215, 130), (250, 128), (257, 136), (249, 146), (253, 165), (246, 172),
    (242, 195), (216, 193), (194, 191), (183, 166),
)  # fmt: skip
HORIZON = 236
"""Row of the cameraman's photograph where the lawn begins."""
BUILDINGS: tuple[Points, ...] = (
    ((411, 130), (419, 116), (432, 116), (433, 194), (411, 194)),
    ((332, 195), (335, 172), (350, 166), (375, 166), (400, 182), (412, 195)),
)
"""Those that are as bright as the sky behind them."""


@dataclass(frozen=True)
class Layer:
    """A cut-out: colours ``[H, W, 3]`` (linear light, 0 to 1) times alpha, alpha ``[H, W]``, and its anchor (x, y)."""

    colours: Picture
    alpha: Picture
    anchor: tuple[float, float]


@dataclass(frozen=True)
class Curve:
    """A smooth path through (time, values...); times from 0, the first frame, to 1, the last."""

    keys: tuple[tuple[float, ...], ...]

    def __call__(self, time: float) -> list[float]:
        """The values at a time; before and after the keys those of the nearest."""
        keys = np.array(self.keys)
        return [float(value) for value in PchipInterpolator(keys[:, 0], keys[:, 1:])(np.clip(time, *keys[[0, -1], 0]))]


@dataclass(frozen=True)
class Walk:
    """A layer that moves: x, y (of the anchor) and scale in time, with a number of steps that rock it."""

    layer: Layer
    path: Curve
    steps: float

    def matrix(self, time: float) -> Picture:
        """Layer to world, ``[3, 3]``."""
        x, y, scale = self.path(time)
        phase = np.pi * self.steps * time
        rise = 7 * scale * abs(np.sin(phase))
        return similarity(self.layer.anchor, (x, y - rise), scale, 1.2 * float(np.sin(phase)))


@dataclass(frozen=True)
class Scene:
    """A world ``[H, W, 3]`` (linear light), who walks through it (the last in front), and the camera's window.

    The camera's values are x, y (of the centre), width and degrees. What of the world is in front of some of those
    who walk is a walk, too, one that stays where it is.
    """

    world: Picture
    walks: tuple[Walk, ...]
    camera: Curve


def similarity(source: tuple[float, float], target: tuple[float, float], scale: float, degrees: float) -> Picture:
    """The ``[3, 3]`` matrix that scales and turns about ``source`` and moves that point to ``target``."""
    angle = np.deg2rad(degrees)
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    x, y = source
    rows = [[cos, -sin, target[0] - cos * x + sin * y], [sin, cos, target[1] - sin * x - cos * y], [0, 0, 1]]
    return np.array(rows, np.float32)


def linear(picture: NDArray[np.uint8]) -> Picture:
    """Linear light, 0 to 1, of a picture: in it, blending and blurring look as in a lens."""
    return ((np.arange(256, dtype=np.float32) / 255) ** np.float32(GAMMA))[picture]


def read_photograph(package: str, install: str, path: str) -> NDArray[np.uint8]:
    """Read a photograph ``[H, W, 3]`` (BGR) of an installed package.

    Args:
        package: name under which the package is imported (it is not).
        install: its name for pip.
        path: of the file in the package's folder.

    Raises:
        SourceError: the package is not installed, or has no such photograph.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise SourceError(f"{package} is not installed and has the photograph {path}; run `pip install {install}`")
    return read_file(Path(spec.origin).parent / path, f"reinstall it: `pip install --force-reinstall {install}`")


def read_file(path: Path, remedy: str) -> NDArray[np.uint8]:
    """Read a picture ``[H, W, 3]`` (BGR); SourceError with the remedy if it cannot be."""
    try:
        picture = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    except (OSError, cv2.error):
        picture = None
    if picture is None:
        raise SourceError(f"{path}: this photograph is missing or unreadable; {remedy}")
    return picture


def fill(outline: Points, size: tuple[int, int]) -> NDArray[np.uint8]:
    """A mask ``[H, W]`` of 0 and 1 of what an outline encloses."""
    mask = np.zeros(size, np.uint8)
    cv2.fillPoly(mask, [np.array(outline, np.int32)], (1,))
    return mask


def find_object(picture: NDArray[np.uint8], outline: Points, band: int = 5) -> NDArray[np.bool_]:
    """Mask ``[H, W]`` of the object that an outline encloses to within ``band`` pixels."""
    rough = fill(outline, picture.shape[:2])
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * band + 1, 2 * band + 1))
    labels = np.where(rough == 1, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    # Beyond the edge of the picture, where it cuts the object, the object goes on.
    labels[cv2.erode(rough, disc, borderType=cv2.BORDER_REPLICATE) == 1] = cv2.GC_FGD
    labels[cv2.dilate(rough, disc) == 0] = cv2.GC_BGD
    cv2.setRNGSeed(SEED)
    cv2.grabCut(picture, labels, None, np.zeros((1, 65)), np.zeros((1, 65)), 5, cv2.GC_INIT_WITH_MASK)
    found = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    _, parts, areas, _ = cv2.connectedComponentsWithStats(found)
    return binary_fill_holes(parts == 1 + np.argmax(areas[1:, cv2.CC_STAT_AREA]))


def cut_out(picture: NDArray[np.uint8], outline: Points, light: float = 1.0) -> Layer:
    """Cut out what an outline encloses, with soft edges; ``light`` times as bright, anchored at its lower end."""
    mask = find_object(picture, outline)
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 1.5, borderType=cv2.BORDER_REPLICATE)
    alpha = np.clip(1.6 * soft - 0.6, 0, 1)
    # Pixels of the edge are mixed with the old background: take the colour of the nearest that is not.
    _, (rows, columns) = distance_transform_edt(soft < 0.97, return_indices=True)
    colours = light * linear(picture)[rows, columns]
    left, right = np.flatnonzero(mask.any(0))[[0, -1]]
    return Layer(colours * alpha[..., None], alpha, ((left + right) / 2, float(picture.shape[0])))


def tint(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Colour the black-and-white photograph of the cameraman: sky, lawn and skin; the rest gets a warm grey."""
    height, width = picture.shape[:2]
    grey = picture[..., 0]
    man = find_object(picture, CAMERAMAN)
    flooded = np.zeros((height + 2, width + 2), np.uint8)
    smooth = cv2.GaussianBlur(grey, (0, 0), 1)
    for x in (5, width - 6):
        cv2.floodFill(smooth.copy(), flooded, (x, 5), 0, 2, 2, cv2.FLOODFILL_MASK_ONLY)
    sky = (flooded[1:-1, 1:-1] == 1) & ~man
    for building in BUILDINGS:
        sky &= fill(building, (height, width)) == 0
    lawn = ~man
    lawn[:HORIZON] = False
    skin = (fill(FACE, (height, width)) == 1) & (grey > 50)
    lab = cv2.cvtColor(picture, cv2.COLOR_BGR2LAB).astype(np.float32)
    depth = np.linspace(1.3, 0.5, HORIZON, dtype=np.float32)
    depth = np.pad(depth, (0, height - HORIZON), constant_values=0.5)[:, None]
    for region, a, b in ((~man, 1.0, 4.0), (man, 0.0, -1.0), (lawn, -12.0, 24.0), (skin, 15.0, 21.0)):
        weight = cv2.GaussianBlur(region.astype(np.float32), (0, 0), 1.2)
        lab[..., 1] += weight * (128 + a - lab[..., 1])
        lab[..., 2] += weight * (128 + b - lab[..., 2])
    weight = cv2.GaussianBlur(sky.astype(np.float32), (0, 0), 1.2)
    lab[..., 1] += weight * (128 - 3 * depth - lab[..., 1])
    lab[..., 2] += weight * (128 - 22 * depth - lab[..., 2])
    return cv2.cvtColor(np.clip(lab, 0, 255).round().astype(np.uint8), cv2.COLOR_LAB2BGR)


def widen(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Continue the lawn and its skyline to the right of the cameraman, where the photograph ends."""
    fade = 24
    more = picture[:, :439:-1]
    rest = picture[:, 345:418]
    weight = np.linspace(0, 1, fade)[None, :, None]
    seam = (1 - weight) * more[:, -fade:] + weight * rest[:, :fade]
    return np.hstack([picture, more[:, :-fade], seam.round().astype(np.uint8), rest[:, fade:]])


def scene_raccoon() -> Scene:
    """A raccoon in the leaves; an astronaut comes, passes in front of it, nearer and nearer, and goes."""
    world = read_file(Path(__file__).parent / "pictures" / "raccoon.jpg", "it comes with the repository")
    astronaut = cut_out(read_photograph("skimage", "scikit-image", "data/astronaut.png"), ASTRONAUT, 0.85)
    path = Curve(
        (
            (0, 870, 430, 0.52),
            (0.25, 640, 430, 0.54),
            (0.45, 520, 435, 0.58),
            (0.7, 320, 440, 0.62),
            (1, 130, 445, 0.68),
        )
    )
    camera = Curve(((0, 385, 206, 690, -1.5), (0.5, 430, 212, 650, 0.5), (1, 440, 218, 610, 1.5)))
    return Scene(linear(world), (Walk(astronaut, path, 6),), camera)


def scene_lawn() -> Scene:
    """A cameraman on a lawn; an astronaut walks past and vanishes behind him; then a rear admiral comes."""
    photograph = read_photograph("skimage", "scikit-image", "data/camera.png")
    astronaut = cut_out(read_photograph("skimage", "scikit-image", "data/astronaut.png"), ASTRONAUT)
    admiral = cut_out(read_photograph("matplotlib", "matplotlib", "mpl-data/sample_data/grace_hopper.jpg"), ADMIRAL)
    tinted = tint(photograph)
    man = cut_out(photograph, CAMERAMAN)
    # The outline comes from the photograph, the colours from the tinted one.
    man = Layer(linear(tinted) * man.alpha[..., None], man.alpha, (0, 0))
    behind = Curve(((0, 520, 338, 0.48), (0.3, 420, 338, 0.48), (0.6, 290, 338, 0.48), (1, 190, 338, 0.48)))
    front = Curve(((0.4, 700, 340, 0.44), (0.75, 500, 340, 0.46), (1, 470, 340, 0.46)))
    camera = Curve(((0, 246, 156, 470, 1), (0.5, 330, 160, 460, -0.6), (1, 340, 165, 440, 0.5)))
    walks = (Walk(astronaut, behind, 5), Walk(man, Curve(((0, 0, 0, 1), (1, 0, 0, 1))), 0), Walk(admiral, front, 6))
    return Scene(linear(widen(tinted)), walks, camera)


def draw(canvas: Picture, layer: Layer, matrix: Picture) -> Picture:
    """Draw a layer over a canvas ``[H, W, 3]``; ``matrix`` maps its pixels to the canvas."""
    height, width = canvas.shape[:2]
    rgba = warp(np.dstack([layer.colours, layer.alpha]), matrix, (width, height))
    return canvas * (1 - rgba[..., 3:]) + rgba[..., :3]


def warp(picture: Picture, matrix: Picture, size: tuple[int, int], border: int = cv2.BORDER_CONSTANT) -> Picture:
    """Picture under a similarity, cut to ``size`` (width, height); made smaller without aliasing."""
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    if scale < 1:
        height, width = picture.shape[:2]
        small = (max(1, round(width * scale)), max(1, round(height * scale)))
        picture = cv2.resize(picture, small, interpolation=cv2.INTER_AREA)
        ratio_x, ratio_y = width / small[0], height / small[1]
        # Pixel centres: those of the small picture lie half a large pixel times (ratio - 1) inside.
        back = [[ratio_x, 0, (ratio_x - 1) / 2], [0, ratio_y, (ratio_y - 1) / 2], [0, 0, 1]]
        matrix = matrix @ np.array(back, np.float32)
    return cv2.warpAffine(picture, matrix[:2], size, flags=cv2.INTER_LINEAR, borderMode=border)


def shake(time: float, frames: int) -> tuple[float, float, float]:
    """How far a hand moves the camera at a time: x and y in thousandths of the window's width, and degrees."""
    random = np.random.default_rng(SEED)
    frequencies = np.array([0.7, 1.7, 3.1])  # per second
    phases = random.uniform(0, 2 * np.pi, (3, 3))
    seconds = time * (frames - 1) / FPS
    waves = np.sin(2 * np.pi * frequencies * seconds + phases) @ np.array([1.0, 0.5, 0.25])
    return 4.0 * waves[0], 3.0 * waves[1], 0.3 * waves[2]


def render(scene: Scene, size: tuple[int, int], frames: int) -> Iterator[NDArray[np.uint8]]:
    """Render a scene as so many frames ``[H, W, 3]`` uint8, BGR, of ``size`` (width, height)."""
    width, height = size
    random = np.random.default_rng(SEED)
    for frame in range(frames):
        light = np.zeros((height, width, 3), np.float32)
        for part in range(SUBFRAMES):
            time = (frame + SHUTTER * part / SUBFRAMES) / max(1, frames - 1)
            x, y, window, degrees = scene.camera(time)
            shake_x, shake_y, tilt = shake(time, frames)
            centre = (x + shake_x * window / 1000, y + shake_y * window / 1000)
            view = similarity(centre, (width / 2, height / 2), width / window, degrees + tilt)
            canvas = warp(scene.world, view, size, cv2.BORDER_REFLECT)
            for walk in scene.walks:
                canvas = draw(canvas, walk.layer, view @ walk.matrix(time))
            light += canvas
        grain = random.normal(0, 1.0, light.shape).astype(np.float32)
        pixels = 255 * np.clip(light / SUBFRAMES, 0, 1) ** (1 / GAMMA) + grain
        yield np.clip(pixels, 0, 255).round().astype(np.uint8)


def write_folder(folder: Path, pictures: Iterator[NDArray[np.uint8]], frames: int) -> None:
    """Write frames as ``00000.jpg``, ``00001.jpg``, ...; OutputError if the folder holds others."""
    ensure_writable_dir(folder)
    names = [f"{number:05d}.jpg" for number in range(frames)]
    if others := sorted({entry.name for entry in folder.iterdir()} - set(names)):
        raise OutputError(f"{folder / others[0]}: is not one of the {frames} frames; remove it or choose another --out")
    for name, picture in zip(names, pictures, strict=True):
        _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        atomic_write(folder / name, data.tobytes())


def frame_size(text: str) -> tuple[int, int]:
    """Parse ``WIDTHxHEIGHT``."""
    try:
        width, height = (int(part) for part in text.split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not WIDTHxHEIGHT, for example 480x270") from None
    if not (32 <= width <= 4096 and 32 <= height <= 4096):
        raise argparse.ArgumentTypeError(f"{text!r}: width and height must be 32 to 4096")
    return width, height


def parse_args() -> argparse.Namespace:
    """Command line of the script."""
    from mmdet_vis.commands.arguments import positive

    parser = argparse.ArgumentParser(
        description=__doc__, epilog="Needs the photographs of scikit-image: pip install scikit-image"
    )
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "inputs", metavar="DIR", help="default demo/inputs"
    )
    parser.add_argument("--size", type=frame_size, default=(480, 270), metavar="WxH", help="default 480x270")
    parser.add_argument("--frames", type=positive, default=30, metavar="N", help="of each video (default 30)")
    return parser.parse_args()


def main() -> int:
    """Run the script."""
    args = parse_args()
    ensure_writable_dir(args.out)
    raccoon, lawn = scene_raccoon(), scene_lawn()
    write_folder(args.out / "raccoon_and_astronaut", render(raccoon, args.size, args.frames), args.frames)
    with VideoWriter(args.out / "on_the_lawn.mp4", FPS, args.size[::-1]) as video:
        for picture in render(lawn, args.size, args.frames):
            video.write(picture)
    return 0


if __name__ == "__main__":
    run_command(main)
