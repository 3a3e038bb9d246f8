#!/bin/sh
# Seq Mask R-CNN ResNet-101 on the validation set of DAVIS unsupervised; --help explains.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
. "$root/scripts/eval_common.sh"
eval_vis davis r101 Ft "$@"
