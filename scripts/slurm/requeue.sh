# Sourced by the scripts of this folder: run a command that is told to end before the job's time is up, and queue the
# job again if it was. Job scripts ask for the signal with `#SBATCH --signal=B:USR1@300`.

# run_and_requeue SIGNAL COMMAND [ARGUMENT ...]: SIGNAL is what the command ends in order by.
run_and_requeue() {
  local signal=$1 code
  shift
  told_to_end=0
  "$@" &
  local pid=$!
  # srun passes signals on to all of its tasks.
  trap 'told_to_end=1; kill -s "$signal" '"$pid"' 2>/dev/null' USR1 TERM
  while :; do
    wait "$pid"
    code=$?
    # A signal ends `wait` before the command has ended.
    kill -0 "$pid" 2>/dev/null || break
  done
  trap - USR1 TERM
  if [ "$told_to_end" = 1 ] && [ "$code" != 0 ]; then
    echo "told to end; job $SLURM_JOB_ID is queued again"
    scontrol requeue "$SLURM_JOB_ID"
    return 0
  fi
  return "$code"
}
