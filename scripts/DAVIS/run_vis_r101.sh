#!/bin/sh
# Finetuning stage of Seq Mask R-CNN ResNet-101 on DAVIS unsupervised; --help explains.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
. "$root/scripts/train_common.sh"
run_vis davis r101 "$@"
