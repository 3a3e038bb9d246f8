#!/bin/sh
# Seq Mask R-CNN ResNet-50 on the validation set of YouTube-VIS 2019, category-aware reduction; --help explains.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/../../.." && pwd)
. "$root/scripts/eval_common.sh"
eval_vis ytv19 r50 Ft_CAReduce "$@"
