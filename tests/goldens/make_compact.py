"""Make the compact set from the reference's files: ``python -m tests.goldens.make_compact REFERENCE``.

It holds numbers of the reference alone, none of this program, and no picture: of the network's stages a corner or a
window of their input with what the reference makes of it, since a convolution sees no further than its field; of small
inputs that a rule makes, only the results.
"""

from __future__ import annotations

import hashlib
import io
import json
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tests.goldens.reference import DATA, Goldens

# Sides of upper left corners: an element is right in a corner if all that it sees lies in it, see :func:`whole`.
IMAGE, C2, C3 = 90, 19, 26
INSIDE = (slice(200, 264), slice(200, 264))
"""Of the image: a part within it."""
SEEN_C2 = (slice(55, 62), slice(55, 62))
"""Of C2: what sees no more than that part."""
REGIONS = 21
"""Of P4: columns from the left, which hold a detection and some proposals."""
SAMPLE = 1000
KEPT_UNITS = ("box/", "nms/", "mcnms/", "roi/rois", "roi/levels", "roi/out7")
SAMPLED_UNITS = ("prop/mem_", "prop/qry_", "prop/prob_fg", "prop/agg_prob")
DETECTIONS = (
    "proposals", "rcnn_cls_logits", "rcnn_bbox_pred", "boxes_before_nms", "det_bboxes", "det_labels", "mask_logits_28",
)  # fmt: skip


def make(reference: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays and other values of the compact set, by the names of the full set."""
    full = Goldens(reference / "goldens")
    parts = {
        "goldens_units": units(full), "goldens_r50": detection(full), "windows": windows(full),
        "goldens_reduce": dict(full.npz("goldens_reduce")), "goldens_r50_reduce": dict(full.npz("goldens_r50_reduce")),
        "goldens_train": regions(full),
    }  # fmt: skip
    arrays = {f"{part}/{name}": array for part, content in parts.items() for name, array in content.items()}
    small = full.json("goldens_units")
    values = {
        "goldens_units": {k: v for k, v in small.items() if k.split("/")[0] in ("preproc", "paste")},
        "goldens_r50": {k: v for k, v in full.json("goldens_r50").items() if k.startswith("det/t0/")},
        "goldens_train": {"spec": full.json("goldens_train")["spec"]},
        "contracts": contracts(reference / "contracts"),
    }
    values |= {name: full.json(name) for name in ("goldens_reduce", "goldens_r50_reduce", "noise_floor")}
    values |= {name: once(full.json(name)) for name in ("results_r50", "results_r50_cate_aware")}
    return arrays, values


def once(entries: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """Results with each sequence of masks once, though it may stand under several categories."""
    texts = [json.dumps(entry["segmentations"]) for entry in entries]
    places = {text: place for place, text in enumerate(dict.fromkeys(texts))}
    rest = [{**entry, "segmentations": places[text]} for entry, text in zip(entries, texts, strict=True)]
    return {"segmentations": [json.loads(text) for text in places], "entries": rest}


def sample(name: str, array: np.ndarray, count: int = SAMPLE) -> dict[str, np.ndarray]:
    """A few elements, by the rule of the full set."""
    places = Goldens.indices(name, array.size, count)
    return {f"{name}/sample": array.reshape(-1)[places], f"{name}/shape": np.array(array.shape)}


def units(full: Goldens) -> dict[str, np.ndarray]:
    """Of operators and heads on small inputs."""
    found = {name: array for name, array in full.units.items() if name.startswith(KEPT_UNITS)}
    found["roi/out14"] = full.units["roi/out14"][::5]
    for name, array in full.units.items():
        if name.startswith(SAMPLED_UNITS) or name == "prop/mem_read":
            found |= sample(name, array)
        elif name in ("prop/masks", "prop/masks_small"):
            found[f"{name}/packed"] = np.packbits(array.astype(bool), axis=-1)
        elif name.startswith("preproc/"):
            found[name] = array if name.endswith("stats") else array[:: len(array) // SAMPLE]
        elif name.startswith("paste/") and name.endswith("/logits"):
            labels = full.units[name.replace("logits", "labels")]
            found[name.replace("logits", "chosen")] = array[np.arange(len(labels)), labels + 1]
        elif name.startswith("paste/"):
            found[name] = array
    return found


def detection(full: Goldens) -> dict[str, np.ndarray]:
    """Of the first key frame: what the heads say, and what becomes of it; and samples of the features."""
    names = [f"det/t0/{name}" for name in DETECTIONS]
    for stage in (f"det/t0/rpn_{kind}{level}" for kind in ("cls", "reg") for level in (3, 4)):
        names += [f"{stage}/sample", f"{stage}/shape"]
    found = {name: full.r50[name] for name in names}
    boxes = found.pop("det/t0/boxes_before_nms")
    return found | sample("det/t0/boxes_before_nms", boxes)


def windows(full: Goldens) -> dict[str, np.ndarray]:
    """Corners and a window of the first frame's complete features."""
    frame = full.npz("goldens_r50_full")
    found = {
        "image": frame["img_t0"][..., :IMAGE, :IMAGE], "C2": frame["C2_t0"][..., :C2, :C2],
        "C3": frame["C3_t0"][..., :C3, :C3], "P5": frame["P5_t0"],
        "image_inside": frame["img_t0"][(..., *INSIDE)], "C2_inside": frame["C2_t0"][(..., *SEEN_C2)],
        "P4_regions": frame["P4_t0"][..., :REGIONS],
    }  # fmt: skip
    sides = whole()
    for name in ("P2", "P3", "P4"):
        found[name] = frame[f"{name}_t0"][:, ::4, : sides[name], : sides[name]]
    for name in ("C4", "C5"):  # of which the reference kept samples
        shape, values = full.r50[f"{name}/t0/shape"], full.r50[f"{name}/t0/sample"]
        places = np.stack(np.unravel_index(Goldens.indices(f"{name}/t0", int(np.prod(shape)), len(values)), shape))
        inside = (places[2:] < sides[name]).all(axis=0)
        found[f"{name}_places"], found[f"{name}_values"] = places[:, inside].astype(np.int16), values[inside]
    return found


def whole() -> dict[str, int]:
    """Sides of the corners of each stage that follow from those of the stage before, cell by cell.

    A stage of n blocks, the first of which has a stride of 2, sees 2 * (n - 1) + 1 cells of its input further on, and a
    cell of a level one cell further than the laterals', which see what the coarser one does.
    """
    c4 = (C3 - 12) // 2 + 1
    c5 = (c4 - 6) // 2 + 1
    laterals = {"P5": c5, "P4": 2 * c5, "P3": 4 * c5, "P2": 8 * c5}
    return {"C3": (C2 - 8) // 2 + 1, "C4": c4, "C5": c5, **{name: side - 1 for name, side in laterals.items()}}


def regions(full: Goldens) -> dict[str, np.ndarray]:
    """Of the training step: which regions are learnt from, and the targets."""
    arrays = full.npz("goldens_train")
    return {name: arrays[name] for name in arrays if not name.startswith(("ref_masks", "prop_prob"))}


def contracts(folder: Path) -> dict[str, list[Any]]:
    """Of each configuration its config, how many keys its checkpoints have, and the digest of keys and shapes."""
    found = {}
    for path in sorted(folder.glob("*.json")):
        content = json.loads(path.read_text())
        shapes = {key: tuple(shape) for key, (shape, _) in content["state_dict"].items()}
        used = {key: shape for key, shape in shapes.items() if key not in content["unused_at_inference"]}
        found[path.stem.removeprefix("contract_")] = [content["config"], len(used), digest(used)]
    return found


def digest(shapes: Mapping[str, tuple[int, ...]]) -> str:
    """SHA-256 of keys and shapes, whatever their order."""
    lines = "".join(f"{key} {'x'.join(map(str, shape))}\n" for key, shape in sorted(shapes.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def write(arrays: Mapping[str, np.ndarray], values: Mapping[str, Any], folder: Path = DATA) -> None:
    """Write ``stages.npz`` and ``stages.json``, the same bytes for the same numbers."""
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / "stages.npz", "w", zipfile.ZIP_LZMA) as archive:
        for name, array in sorted(arrays.items()):
            stream = io.BytesIO()
            np.save(stream, np.asarray(array, order="C"), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0)), stream.getvalue(), zipfile.ZIP_LZMA)
    (folder / "stages.json").write_text(json.dumps(values, separators=(",", ":"), sort_keys=True) + "\n")


if __name__ == "__main__":
    write(*make(Path(sys.argv[1])))
    for file in sorted(DATA.iterdir()):
        print(f"{file}: {file.stat().st_size:,} bytes")
