#!/bin/sh
# Makes the font that PNG pictures are lettered with: DejaVu Sans of Debian's fonts-dejavu-core, without hints, cut to
# Latin, Greek, Cyrillic, punctuation, currency, arrows and the mathematical signs that units are written with.
# Needs pyftsubset (pip install fonttools). The outcome is checked in; run this only to change the set.
set -eu
cd "$(dirname "$0")"
pyftsubset "${1:-/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf}" \
    --unicodes='U+20-7E,U+A0-24F,U+2B0-2FF,U+370-3FF,U+400-4FF,U+2010-2027,U+2030-203A,U+2044,U+2070-2094,U+20A0-20BF,U+2100-2126,U+2150-215E,U+2190-2199,U+2200-2212,U+221A,U+221E,U+2248,U+2260-2265,U+25A0-25CF,U+FFFD' \
    --no-hinting --desubroutinize --layout-features='' --no-legacy-kern --notdef-outline \
    --name-IDs=0,1,2,3,4,5,6,13,14 --drop-tables+=GDEF,GPOS,GSUB,FFTM,kern \
    --output-file=DejaVuSans-subset.ttf
ls -l DejaVuSans-subset.ttf
