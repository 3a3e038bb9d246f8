#!/bin/sh
# Seq Mask R-CNN ResNeXt-101 64x4d on the validation set of YouTube-VIS 2019; --help explains.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
. "$root/scripts/eval_common.sh"
eval_vis ytv19 x101 Ft "$@"
