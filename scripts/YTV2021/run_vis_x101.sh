#!/bin/sh
# Finetuning stage of Seq Mask R-CNN ResNeXt-101 64x4d on YouTube-VIS 2021; --help explains.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
. "$root/scripts/train_common.sh"
run_vis ytv21 x101 "$@"
