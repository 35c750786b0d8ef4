#!/bin/bash
# Put data where they are looked for; nothing to do where they are there already.
# Usage: tools/get_data.sh [python]          Fashion-MNIST, for lamella.datasets: from Debian's package (unpacked into the
#                                            cache, nothing is installed), else from the authors' address with a checksum
#        tools/get_data.sh [python] words    Debian's word lists of eight languages, for examples/lstm_languages.py
set -euo pipefail
python=${1:-python3}
what=${2:-fashion_mnist}
cache="${XDG_CACHE_HOME:-$HOME/.cache}/lamella"

# unpack TARGET FILES PACKAGE...: copy from the packages the files, a pattern below /usr/share
unpack() {
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || return 1
    local target=$1 files=$2 folder status=0
    shift 2
    folder=$(mktemp -d)
    (
        cd "$folder" && chmod 755 . &&
            { apt-get download -qq "$@" 2>/dev/null ||
                { [ "$(id -u)" = 0 ] && apt-get update -qq && apt-get download -qq "$@"; }; } &&
            for package in ./*.deb; do dpkg-deb -x "$package" unpacked; done &&
            mkdir -p "$target" &&
            find unpacked/usr/share -type f -path "unpacked/usr/share/$files" -exec cp {} "$target/" \;
    ) || status=$?
    rm -rf "$folder"
    return $status
}

fashion_mnist_found() {
    "$python" -c 'from lamella.datasets import fashion_mnist as f; f.load_data(download=False)' 2>/dev/null
}

fashion_mnist() {
    fashion_mnist_found && return
    echo "getting Fashion-MNIST (31 MB)"
    unpack "$cache/fashion_mnist" 'datasets/fashion-mnist/*-ubyte.gz' dataset-fashion-mnist && fashion_mnist_found && return
    "$python" -c 'from lamella.datasets import fashion_mnist as f; f.load_data()'
}

words_found() {
    local name
    for name in american-english danish dutch french italian ngerman spanish swedish; do
        [ -e "$1/$name" ] || return 1
    done
}

words() {
    words_found /usr/share/dict || words_found "$cache/words" && return
    echo "getting word lists (4 MB)"
    unpack "$cache/words" 'dict/*' wamerican wdanish wdutch wfrench witalian wngerman wspanish wswedish
    words_found "$cache/words"
}

case "$what" in
    fashion_mnist | words) "$what" ;;
    *) echo "tools/get_data.sh: no data set '$what'; there are fashion_mnist and words" >&2 && exit 2 ;;
esac
