# Runs a published model over the validation set of its benchmark. Sourced by the eval_vis_*.sh scripts; plain POSIX sh.
#
#   root=...                                        the repository, set by the caller
#   eval_vis DATASET BACKBONE VARIANT [OPTION...]   DATASET: ytv19, ytv21 or davis; BACKBONE: r50, r101 or x101;
#                                                   VARIANT: Ft, or Ft_CAReduce for category-aware reduction

. "$root/scripts/setup_env.sh"

eval_vis() {
  dataset=$1 backbone=$2 variant=$3
  shift 3
  key_num=5
  case $dataset in
    ytv19) title='YouTube-VIS 2019' data=youtubevis19 needed=valid_ytv19.json ;;
    ytv21) title='YouTube-VIS 2021' data=youtubevis21 needed=valid_ytv21.json ;;
    davis) title='DAVIS unsupervised' data=davisuvos needed=trainvalset_davis key_num=8 ;;
  esac
  configs=$root/configs/SeqMaskRCNN reduction=''
  if [ "$variant" = Ft_CAReduce ]; then
    configs=$configs/CateAwareReduce reduction=', category-aware reduction'
    set -- --use-cate-reduce --score-thr 0.001 "$@"
  fi
  default_config=$configs/seq_mask_rcnn_${backbone}_fpn_1x_${data}_ftstage.py
  default_checkpoint=$root/pretrained/seq_mask_rcnn_${backbone}_$dataset.pth
  : "${CONFIG:=$default_config}" "${CHECKPOINT:=$default_checkpoint}" "${DATA_ROOT:=$root/data}"
  : "${SAVE_DIR:=${root%/*}/Results_$dataset}" "${GPUS:=1}"
  for argument; do
    case $argument in -h | --help) usage && exit 0 ;; esac
  done
  check_files
  case $GPUS in '' | *[!0-9]* | 0*) fail "GPUS=$GPUS is not a number of GPUs: set it to 1 or more" ;; esac
  set_key_num "$@"
  save_dir=$SAVE_DIR/vis_${backbone}_$variant-k$key_num

  setup_env ''
  if [ "$GPUS" -gt 1 ] && [ "${OMP_NUM_THREADS-}" = 1 ]; then
    # Processes of torchrun cannot tell a 1 of the user's from its own.
    set -- --threads 1 "$@"
  fi
  set -- "$root/tools/test_vis.py" "$CONFIG" "$CHECKPOINT" --save-dir "$save_dir" --key-num "$key_num" \
    --cfg-options "test.dataset.data_root=$DATA_ROOT" "$@"
  if [ "$GPUS" -gt 1 ]; then
    # Named so that torchrun does not lecture about it; the tool takes no notice of its 1.
    : "${OMP_NUM_THREADS:=1}"
    export OMP_NUM_THREADS
    # As torchrun, but with the tool's own exit code.
    set -- -m mmdet_vis.run.launch --standalone --nproc_per_node "$GPUS" "$@"
  fi
  exec "$python" "$@"
}

usage() {
  cat <<END
usage: [CONFIG=FILE] [CHECKPOINT=FILE] [DATA_ROOT=DIR] [SAVE_DIR=DIR] [GPUS=N] [PYTHON=FILE] sh $0 [OPTION...]

Segments the validation videos of $title: Seq Mask R-CNN $backbone$reduction, $key_num key frames, float32.
The results are SAVE_DIR/vis_${backbone}_$variant-k$key_num/results.json and submission.zip for the benchmark's server.
The first run makes a Python environment in $venv, unless an active one has the package.

  CONFIG      model configuration, now $CONFIG
  CHECKPOINT  its weights (.pth or .safetensors), now $CHECKPOINT
  DATA_ROOT   folder with $needed and the frames, now $DATA_ROOT
  SAVE_DIR    folder with a folder of results for each network, now $SAVE_DIR
  GPUS        number of GPUs to share the videos among, now $GPUS
  PYTHON      the Python 3.10 or newer that makes the environment
  OPTION      any option of tools/test_vis.py: --resume goes on after a kill, --overwrite starts anew,
              --eval compares with annotations, if the data have any; --device cpu ...

Exit code 3: some videos could not be read; they are named, the others are done.
END
}

# What is missing is said now rather than after a long set-up.
check_files() {
  if [ ! -f "$CHECKPOINT" ]; then
    [ "$CHECKPOINT" = "$default_checkpoint" ] ||
      fail "no checkpoint at $CHECKPOINT; set CHECKPOINT to a .pth or .safetensors file"
    fail "no checkpoint at $CHECKPOINT; get the $backbone model for $title from the table 'Results' in" \
      "https://github.com/dvlab-research/ProposeReduce#results and save it under this name, or set CHECKPOINT"
  fi
  [ -f "$CONFIG" ] || fail "no configuration at $CONFIG; set CONFIG to a file of configs/"
  # Another configuration may name other data.
  [ "$CONFIG" != "$default_config" ] || [ -e "$DATA_ROOT/$needed" ] ||
    fail "no $title at $DATA_ROOT/$needed; put it there as data/README.md says, or set DATA_ROOT"
}

# The name of the folder tells the number of key frames, also where an option changes it.
set_key_num() {
  while [ $# -gt 0 ]; do
    case $1 in
      --key-num=*) key_num=${1#*=} ;;
      --key-num) [ $# -lt 2 ] || key_num=$2 ;;
    esac
    shift
  done
}
