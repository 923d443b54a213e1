# Sourced by ./demo, ./check and .ci/run: finds what is missing to build, and installs it or prints the one line to run.

say() { printf '%s\n' "$*"; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

may_install() {
  command -v apt-get >/dev/null 2>&1 && { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }
}

# need PACKAGE=COMMAND...: makes sure that each command is there.
need() {
  missing=""
  for pair in "$@"; do
    command -v "${pair#*=}" >/dev/null 2>&1 || missing="$missing ${pair%%=*}"
  done
  [ -z "$missing" ] && return 0
  if may_install; then
    say "installing:$missing"
    as_root apt-get update -qq >/dev/null
    # shellcheck disable=SC2086
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
  else
    say "Some tools are missing. Run this, then try again:"
    say "  sudo apt-get update && sudo apt-get install -y$missing"
    return 1
  fi
}

need_rust() {
  command -v cargo >/dev/null 2>&1 && return 0
  [ -f "$HOME/.cargo/env" ] && . "$HOME/.cargo/env"
  command -v cargo >/dev/null 2>&1 && return 0
  say "Rust is missing. Install it as https://rustup.rs says, then try again."
  return 1
}

need_build_tools() {
  need_rust && need cmake=cmake nasm=nasm g++=g++ gcc=cc curl=curl
}
