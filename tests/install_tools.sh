#!/bin/sh
# The tests' compilers, emulators and flash programs: installed by apt where that is possible, else named.
set -eu

# The one emulator that npm has goes into the virtual environment, where edgelstm looks for it. It is optional.
if command -v npm >/dev/null 2>&1 && [ ! -d .venv/node_modules/rp2040js ]; then
    timeout 60 npm install --prefix .venv --no-save --no-audit --no-fund --silent --fetch-retries 0 rp2040js@1.4.1 ||
        echo "rp2040js could not be installed by npm; its tests are skipped" >&2
fi

programs="arm-none-eabi-gcc qemu-system-arm riscv64-unknown-elf-gcc qemu-system-riscv32 gcc g++ clang clang-format openocd dfu-util"
packages="gcc-arm-none-eabi qemu-system-arm gcc-riscv64-unknown-elf qemu-system-misc gcc g++ clang clang-format openocd dfu-util"
programs="$programs avr-gcc avrdude xtensa-lx106-elf-gcc qemu-system-xtensa"
packages="$packages gcc-avr avr-libc libsimavr-dev arduino-core-avr avrdude gcc-xtensa-lx106"

missing=""
for program in $programs; do
    command -v "$program" >/dev/null 2>&1 || missing="$missing $program"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    apt-get update -qq
    # shellcheck disable=SC2086  # a list of words
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null
    exit 0
fi
echo "missing:$missing" >&2
echo "install them for the whole test suite (apt-get install $packages)" >&2
[ -z "${CI:-}" ] || exit 1
