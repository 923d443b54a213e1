# Sourced by ./demo, ./check and .ci/run (POSIX sh): finds what is missing to build, installs it or prints the line to run.

say() { printf '%s\n' "$*"; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

may_install() {
  command -v apt-get >/dev/null 2>&1 || return 1
  [ "$(id -u)" = 0 ] || { command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; }
}

# need PACKAGE=COMMAND...: makes sure that each command is there.
need() {
  missing=""
  for pair in "$@"; do
    command -v "${pair#*=}" >/dev/null 2>&1 || missing="$missing ${pair%%=*}"
  done
  # shellcheck disable=SC2086 # a list of packages
  [ -z "$missing" ] || install_packages $missing
}

# install_packages PACKAGE...: installs, or prints the line to run.
install_packages() {
  if ! may_install; then
    say "Some tools are missing. Run this line, then try again:" >&2
    say "  sudo apt-get update && sudo apt-get install -y $*" >&2
    return 1
  fi
  say "installing: $*"
  as_root apt-get update -qq >/dev/null
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

need_rust() {
  command -v cargo >/dev/null 2>&1 && return 0
  # rustup writes this file; a shell that was open before does not know it yet.
  if [ -f "${CARGO_HOME:-$HOME/.cargo}/env" ]; then . "${CARGO_HOME:-$HOME/.cargo}/env"; fi
  command -v cargo >/dev/null 2>&1 && return 0
  say "Rust is missing. Install it as https://rustup.rs says, then try again." >&2
  return 1
}

# Debian's cmake only recommends make; g++ brings the linker that Rust needs too.
need_build_tools() {
  need_rust && need cmake=cmake make=make nasm=nasm g++=g++
}

# Where cargo puts what it builds.
built() { say "${CARGO_TARGET_DIR:-target}"; }
