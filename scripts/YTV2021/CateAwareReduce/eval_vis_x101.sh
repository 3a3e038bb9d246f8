#!/bin/sh
# Seq Mask R-CNN ResNeXt-101 64x4d on the validation set of YouTube-VIS 2021, category-aware reduction; --help explains.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/../../.." && pwd)
. "$root/scripts/eval_common.sh"
eval_vis ytv21 x101 Ft_CAReduce "$@"
