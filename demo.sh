#!/bin/sh
# Segments the videos and frame folders in demo/inputs and writes the results to demo/outputs.
# Makes .venv at the first run; see `sh demo.sh --help`.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
. "$root/scripts/setup_env.sh"

default_checkpoint=$root/pretrained/seq_mask_rcnn_mobilenetv2_stills.safetensors
: "${CHECKPOINT:=$default_checkpoint}"
: "${CONFIG:=$root/configs/SeqMaskRCNN/seq_mask_rcnn_mobilenetv2_fpn_stills.py}"
: "${INPUT_DIR:=$root/demo/inputs}"
: "${SAVE_DIR:=$root/demo/outputs}"

usage() {
  cat <<END
usage: [CONFIG=FILE] [CHECKPOINT=FILE] [INPUT_DIR=DIR] [SAVE_DIR=DIR] [PYTHON=FILE] sh demo.sh [OPTION...]

Segments every video and frame folder of a directory: Seq Mask R-CNN with Propose-Reduce. The model that
comes with the repository finds persons, animals, vehicles and other objects; CONFIG and CHECKPOINT choose another.
The first run makes a Python environment in $venv, unless an active one has the package.

  CONFIG      model configuration, now $CONFIG
  CHECKPOINT  its weights (.pth or .safetensors), now $CHECKPOINT
  INPUT_DIR   videos and frame folders, now $INPUT_DIR
  SAVE_DIR    where results go, now $SAVE_DIR
  PYTHON      the Python 3.10 or newer that makes the environment
  OPTION      any option of tools/test_vis.py, for example --key-num 8 or --device cpu
END
}

for argument; do
  case $argument in -h | --help) usage && exit 0 ;; esac
done

# What is missing is said now rather than after a long set-up.
if [ ! -f "$CHECKPOINT" ]; then
  [ "$CHECKPOINT" = "$default_checkpoint" ] ||
    fail "no checkpoint at $CHECKPOINT; set CHECKPOINT to a .pth or .safetensors file"
  fail "no checkpoint at $CHECKPOINT, which comes with the repository: clone it again, or set CONFIG and CHECKPOINT"
fi
[ -f "$CONFIG" ] || fail "no configuration at $CONFIG; set CONFIG to a file of configs/"
[ -e "$INPUT_DIR" ] || fail "no input at $INPUT_DIR; set INPUT_DIR to a directory of videos and frame folders"

# The default model brings its own settings; the published ones are used as in the original demo, in bounded memory.
[ "$CHECKPOINT" = "$default_checkpoint" ] || set -- --key-num 5 --mem-step 5 --mem-max 40 --precision auto "$@"
setup_env ''
exec "$python" "$root/tools/test_vis.py" "$CONFIG" "$CHECKPOINT" \
  --input-dir "$INPUT_DIR" --save-dir "$SAVE_DIR" --use-img "$@"
