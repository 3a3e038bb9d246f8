# Finds or makes the Python environment that the commands of this repository run in.
# Sourced by demo.sh and test.sh; plain POSIX sh, and nothing but the coreutils is needed.
#
#   root=...                        the repository, set by the caller
#   setup_env EXTRA [NAME...]       sets $python to an interpreter that has the package, its dependencies and
#                                   the distributions NAME...; EXTRA is the extra that brings those NAMEs
#
# The first of these is taken:
#   1. the active environment ($VIRTUAL_ENV, then $CONDA_PREFIX), if the package is installed in it
#   2. .venv in the repository, if it is complete
#   3. `python`, then `python3` on the PATH, if the package is installed for it
#   4. .venv, made, completed or brought up to date now
# "Installed" is what scripts/check_env.py says: the package and every requirement of pyproject.toml are there.
# Whichever is taken, the code that runs is that of this repository, also where the environment holds an
# (editable) installation of another checkout: PYTHONPATH comes before the installed packages.
#
# PYTHON=/path/to/python makes .venv with that interpreter, and only .venv is looked at.

venv=$root/.venv
lock=$root/.venv-lock
# Written last, so an environment whose set-up was interrupted is never taken for complete.
stamp=$venv/mmdet_vis.stamp
incomplete='set-up under way'

fail() {
  printf 'error: %s\n' "$*" >&2
  exit 2
}

note() {
  printf '%s\n' "$*" >&2
}

# setup_env EXTRA [NAME...]
setup_env() {
  extra=$1
  shift
  python=''
  use_active_environment "$@" || use_own_environment "$@" || use_path_python "$@" || make_own_environment "$@"
  PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH}
  export PYTHONPATH
}

# has_package INTERPRETER [NAME...]: sets $lacking when only a requirement is missing
has_package() {
  candidate=$1
  shift
  lacking=$("$candidate" "$root/scripts/check_env.py" "$@" 2>/dev/null)
}

is_suitable() {
  "$1" -c 'import sys; sys.exit(sys.version_info < (3, 10))' >/dev/null 2>&1
}

# Two interpreters with the same answer make the same environment.
identity_of() {
  "$1" -c 'import sys; print(sys.base_prefix, sys.version)' 2>/dev/null
}

use_active_environment() {
  [ -z "${PYTHON:-}" ] || return 1
  for prefix in "${VIRTUAL_ENV:-}" "${CONDA_PREFIX:-}"; do
    if [ -z "$prefix" ] || [ "$prefix" = "$venv" ] || [ ! -x "$prefix/bin/python" ]; then
      continue
    fi
    if has_package "$prefix/bin/python" "$@"; then
      python=$prefix/bin/python
      return 0
    fi
    [ -z "$lacking" ] || note "the active environment $prefix is not used: it lacks $lacking" \
      "(to use it: python -m pip install -e \"$root${extra:+[$extra]}\")"
  done
  return 1
}

use_path_python() {
  [ -z "${PYTHON:-}" ] || return 1
  for name in python python3; do
    found=$(command -v "$name") || continue
    case $found in "$venv"/*) continue ;; esac
    if has_package "$found" "$@"; then
      python=$found
      return 0
    fi
  done
  return 1
}

# An environment that someone made by hand in .venv has no stamp: it is used when nothing is lacking.
use_own_environment() {
  [ -x "$venv/bin/python" ] && matches_python || return 1
  if [ -f "$stamp" ]; then
    read_stamp
    [ "$stamped_root" = "$root" ] && [ "$stamped_sums" = "$(checksums)" ] || return 1
  fi
  has_package "$venv/bin/python" "$@" || return 1
  python=$venv/bin/python
}

matches_python() {
  [ -z "${PYTHON:-}" ] || [ "$(identity_of "$PYTHON")" = "$(identity_of "$venv/bin/python")" ]
}

checksums() {
  cksum <"$root/pyproject.toml"
  cksum <"$root/setup.py"
}

# What .venv was made for: the extra, the repository's path (the programs of a copied .venv belong to the original)
# and the declared dependencies. An unfinished set-up has $incomplete as its only line.
read_stamp() {
  stamped_extra='' stamped_root='' stamped_sums=''
  {
    IFS= read -r stamped_extra && IFS= read -r stamped_root && stamped_sums=$(cat)
  } <"$stamp" || :
}

make_own_environment() {
  [ -w "$root" ] || fail "cannot make $venv: $root is not writable"
  acquire_lock
  # Another run may have finished the work while this one waited.
  if ! use_own_environment "$@"; then
    if ! is_repairable; then
      choose_base
      remove_environment
      create_environment
    fi
    install_package
    has_package "$venv/bin/python" "$@" ||
      fail "$venv lacks ${lacking:-the package} after its installation; remove $venv and run again"
    python=$venv/bin/python
  fi
  release_lock
}

# Whether what is in .venv can be completed in place: it works, and its making was not cut short.
is_repairable() {
  [ -f "$venv/pyvenv.cfg" ] && is_suitable "$venv/bin/python" && matches_python || return 1
  if [ -f "$stamp" ]; then
    read_stamp
    [ "$stamped_root" = "$root" ] || return 1
    # Keeps what an earlier run added, so that demo.sh and test.sh do not take turns.
    : "${extra:=$stamped_extra}"
  fi
  "$venv/bin/python" -I -m pip --version >/dev/null 2>&1 ||
    "$venv/bin/python" -I -m ensurepip >/dev/null 2>&1
}

remove_environment() {
  [ -e "$venv" ] || [ -L "$venv" ] || return 0
  # Nothing is deleted that is not clearly a Python environment.
  [ -f "$venv/pyvenv.cfg" ] || [ -f "$stamp" ] || rmdir "$venv" 2>/dev/null ||
    fail "$venv is not a virtual environment; move it away and run again"
  note "making $venv anew: it is broken, unfinished, moved or of another Python"
  rm -rf "$venv" || fail "cannot remove $venv; remove it and run again"
}

# Sets $base to $PYTHON, or to the first suitable interpreter on the PATH.
choose_base() {
  # An activated .venv may be about to be removed: what it hides is looked for.
  path=:$PATH:
  case $path in *":$venv/bin:"*) path=${path%%":$venv/bin:"*}:${path#*":$venv/bin:"} ;; esac
  path=${path#:} path=${path%:}
  if [ -n "${PYTHON:-}" ]; then
    set -- "$PYTHON"
  else
    set -- python3 python3.13 python3.12 python3.11 python3.10 python
  fi
  venvless=''
  for name; do
    base=$(PATH=$path command -v "$name") && is_suitable "$base" || continue
    "$base" -c 'import ensurepip, venv' >/dev/null 2>&1 && return 0
    : "${venvless:=$base}"
  done
  [ -z "$venvless" ] || fail "$venvless cannot make virtual environments:" \
    "install its venv module (Debian, Ubuntu: apt install python3-venv)"
  [ -z "${PYTHON:-}" ] || fail "PYTHON=$PYTHON is not a Python 3.10 or newer"
  fail "no Python 3.10 or newer on the PATH; install one, or name it: PYTHON=/path/to/python sh ..."
}

create_environment() {
  note "making $venv with $base ($("$base" --version 2>&1))"
  mkdir "$venv" && printf '%s\n' "$incomplete" >"$stamp" && "$base" -I -m venv "$venv" >&2 ||
    fail "cannot make $venv (see above)"
}

install_package() {
  note "installing the package into $venv (the first time takes minutes: PyTorch is large)"
  # Without -I, a PYTHONPATH of the user's could hide what is missing; PIP_USER makes no sense in an environment.
  (cd "$root" && PIP_USER=0 "$venv/bin/python" -I -m pip install --disable-pip-version-check --no-input \
    -e ".${extra:+[$extra]}") >&2 || fail "the installation into $venv failed (see above); run again to retry"
  { printf '%s\n' "$extra" "$root" && checksums; } >"$stamp.new" && mv "$stamp.new" "$stamp" ||
    fail "cannot write $stamp"
}

# The lock is a folder (mkdir is atomic everywhere) with the owner's process and host in it.
acquire_lock() {
  me="$$ $(uname -n)"
  seen='' ownerless=0 refused=0
  until mkdir "$lock" 2>/dev/null; do
    if [ ! -d "$lock" ]; then
      # Released just now, or mkdir fails for another reason (a full disk).
      refused=$((refused + 1))
      [ "$refused" -lt 5 ] || fail "cannot make $lock"
      continue
    fi
    owner=$(cat "$lock/owner" 2>/dev/null) || owner=''
    # An owner needs a moment to write its name; one that never does was killed before it could.
    if [ -n "$owner" ]; then ownerless=0; else ownerless=$((ownerless + 1)); fi
    if is_abandoned "$owner" && take_over "$owner"; then
      break
    fi
    [ -n "$seen" ] || note "waiting for another set-up of $venv (process ${owner:-unknown});" \
      "if none is running, remove $lock"
    seen=yes
    sleep 1
  done
  trap release_lock EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  printf '%s\n' "$me" >"$lock/owner" || fail "cannot write $lock/owner"
}

# Processes of another host (a shared file system, a container) cannot be looked at: their locks are kept.
is_abandoned() {
  if [ -z "$1" ]; then
    [ "$ownerless" -gt 5 ]
  else
    [ "${1#* }" = "${me#* }" ] && ! kill -0 "${1%% *}" 2>/dev/null && [ ! -d "/proc/${1%% *}" ]
  fi
}

# Of several runs that find the same abandoned lock, the one that makes the inner folder gets it.
take_over() {
  mkdir "$lock/takeover" 2>/dev/null || return 1
  taken=no
  if [ "$(cat "$lock/owner" 2>/dev/null)" = "$1" ]; then
    printf '%s\n' "$me" >"$lock/owner" && taken=yes
  fi
  rmdir "$lock/takeover"
  [ "$taken" = yes ]
}

release_lock() {
  rm -rf "$lock"
  trap - EXIT HUP INT TERM
}
