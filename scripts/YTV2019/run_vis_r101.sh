#!/bin/sh
# Finetuning stage of Seq Mask R-CNN ResNet-101 on YouTube-VIS 2019; --help explains.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
. "$root/scripts/train_common.sh"
run_vis ytv19 r101 "$@"
