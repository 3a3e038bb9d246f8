# Trains the finetuning stage of a published model. Sourced by the run_vis_*.sh scripts; plain POSIX sh.
#
#   root=...                                the repository, set by the caller
#   run_vis DATASET BACKBONE [OPTION...]    DATASET: ytv19, ytv21 or davis; BACKBONE: r50, r101 or x101

. "$root/scripts/setup_env.sh"

run_vis() {
  dataset=$1 backbone=$2
  shift 2
  case $dataset in
    ytv19) title='YouTube-VIS 2019' data=youtubevis19 ;;
    ytv21) title='YouTube-VIS 2021' data=youtubevis21 ;;
    davis) title='DAVIS unsupervised' data=davisuvos ;;
  esac
  name=seq_mask_rcnn_${backbone}_fpn_1x_${data}_ftstage
  default_load_from=$root/pretrained/seq_mask_rcnn_${backbone}_${dataset}_mainstage.pth
  : "${CONFIG:=$root/configs/SeqMaskRCNN/$name.py}" "${LOAD_FROM:=$default_load_from}" "${DATA_ROOT:=$root/data}"
  : "${WORK_DIR:=$root/work_dirs/$name}" "${GPUS:=4}"
  for argument; do
    case $argument in -h | --help) usage && exit 0 ;; esac
  done
  case $GPUS in '' | *[!0-9]* | 0*) fail "GPUS=$GPUS is not a number of GPUs: set it to 1 or more" ;; esac
  [ -f "$CONFIG" ] || fail "no configuration at $CONFIG; set CONFIG to a file of configs/"
  [ -f "$LOAD_FROM" ] ||
    fail "no weights to start from at $LOAD_FROM; get the main-stage model from the table 'Results' in" \
      "https://github.com/dvlab-research/ProposeReduce#results and save it under this name, or set LOAD_FROM"
  [ -e "$DATA_ROOT/train_$dataset.json" ] || [ -n "${CONFIG##*"$name"*}" ] ||
    fail "no $title at $DATA_ROOT/train_$dataset.json; put it there as data/README.md says, or set DATA_ROOT"

  setup_env ''
  set -- "$root/tools/train.py" "$CONFIG" --work-dir "$WORK_DIR" --load-from "$LOAD_FROM" \
    --cfg-options "train.dataset.data_root=$DATA_ROOT" "test.dataset.data_root=$DATA_ROOT" "$@"
  if [ "$GPUS" -gt 1 ]; then
    : "${OMP_NUM_THREADS:=1}"
    export OMP_NUM_THREADS
    set -- -m mmdet_vis.run.launch --standalone --nproc_per_node "$GPUS" "$@"
  fi
  exec "$python" "$@"
}

usage() {
  cat <<END
usage: [CONFIG=FILE] [LOAD_FROM=FILE] [DATA_ROOT=DIR] [WORK_DIR=DIR] [GPUS=N] [PYTHON=FILE] sh $0 [OPTION...]

Finetunes Seq Mask R-CNN $backbone on the training videos of $title, from the weights of the main stage.
Checkpoints and logs go to WORK_DIR. The first run makes a Python environment in $venv, unless an active one has the
package.

  CONFIG      configuration, now $CONFIG
  LOAD_FROM   weights to start from, now $LOAD_FROM
  DATA_ROOT   folder with train_$dataset.json and the frames, now $DATA_ROOT
  WORK_DIR    folder for the results, now $WORK_DIR
  GPUS        processes, one per GPU, now $GPUS (the original's number); the learning rate follows it
  PYTHON      the Python 3.10 or newer that makes the environment
  OPTION      any option of tools/train.py: --resume goes on after a kill, --precision bfloat16 ...
END
}
