#!/bin/sh
# Finetuning stage of Seq Mask R-CNN ResNeXt-101 64x4d on DAVIS unsupervised; --help explains.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
. "$root/scripts/train_common.sh"
run_vis davis x101 "$@"
