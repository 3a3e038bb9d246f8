#!/bin/sh
# Seq Mask R-CNN ResNeXt-101 64x4d on the validation set of DAVIS unsupervised; --help explains.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
. "$root/scripts/eval_common.sh"
eval_vis davis x101 Ft "$@"
