#!/bin/sh
# Makes the golden files with the real rrdtool (1.7.2 was used). Run it in this directory:  sh make.sh
# A new file's first rows are random, so before and after are kept together; only the step between them is compared.
set -e
export TZ=UTC LC_ALL=C

# name, updates; the create words are on standard input.
pair() {
    name=$1
    shift
    xargs rrdtool create "$name.before.rrd" --start 1000000000
    cp "$name.before.rrd" "$name.after.rrd"
    printf '%s\n' "$@" >"$name.updates"
    # rrdtool goes on with the next update after a refused one here, as our test does.
    for update in "$@"; do
        rrdtool update "$name.after.rrd" "$update" || true
    done
    describe "$name"
}

describe() {
    rrdtool info "$1.after.rrd" >"$1.info"
    rrdtool dump "$1.after.rrd" >"$1.dump"
    rrdtool fetch "$1.after.rrd" AVERAGE -s 1000000000 -e 1000004000 >"$1.fetch"
}

pair kinds 1000000300:1.234:4294967000:-5:7:0.5:-1.5 1000000600:2.675:100:-9:7:1.5:-2.5 1000000899.5:U:U:0:U:U:U \
    1000001250:3:5:x:1:1:1 1000001250:3:5:6:1:1:1 1000003000:1e3:500:60:1:9:9 1000003301:0.1:600:70:1:8:8 <<'WORDS'
DS:gauge:GAUGE:600:0:1000 DS:counter:COUNTER:600:0:U DS:derive:DERIVE:600:U:U DS:absolute:ABSOLUTE:600:U:U
DS:dcounter:DCOUNTER:600:U:U DS:dderive:DDERIVE:600:U:U
RRA:AVERAGE:0.5:1:6 RRA:AVERAGE:0.5:3:4 RRA:MIN:0.5:3:4 RRA:MAX:0.25:3:4 RRA:LAST:0.9:2:4
WORDS

pair compute 1000000300:1:2 1000000600:3:U 1000000900:5:7 1000001800:1:2 <<'WORDS'
DS:a:GAUGE:900:U:U DS:b:GAUGE:900:U:U DS:sum:COMPUTE:a,b,ADDNAN,2,* DS:diff:COMPUTE:sum,a,-,DUP,0,LT,0,3,-1,POP,POP,IF
RRA:AVERAGE:0.5:1:6 RRA:MAX:0.5:2:4
WORDS

pair forecast 1000000300:1 1000000600:3 1000000900:2 1000001200:9 1000001500:4 <<'WORDS'
DS:a:GAUGE:900:U:U RRA:AVERAGE:0.5:1:6 RRA:MHWPREDICT:6:0.1:0.2:3
WORDS

# Seasons of 6 and of 4 rows, with gaps of two and of six steps, long enough for both to be smoothed.
# shellcheck disable=SC2046
pair seasons $(awk 'BEGIN {
    for (i = 1; i <= 60; i++) {
        t += i == 25 ? 600 : i == 40 ? 1800 : 300
        a = 50 + 20 * sin(i) + (i == 33 ? 400 : 0)
        printf "%d:%.2f:%s\n", 1000000000 + t, a, i == 20 ? "U" : 1000 + 37 * (i % 4) + i
    }
}') <<'WORDS'
DS:a:GAUGE:900:U:U DS:b:GAUGE:900:U:U RRA:AVERAGE:0.5:1:6
RRA:HWPREDICT:24:0.3:0.1:6:4 RRA:FAILURES:12:2:4:5 RRA:SEASONAL:6:0.3:2:smoothing-window=0.5
RRA:DEVSEASONAL:6:0.3:2:smoothing-window=0.5 RRA:DEVPREDICT:12:5
RRA:SEASONAL:4:0.2:8:smoothing-window=1 RRA:MHWPREDICT:24:0.2:0.05:4:7
WORDS

# A formula that works out only while b is known: its updates are refused then, and leave a part of their work.
pair formulas 1000000300:1:2:9 1000000600:3:U:-4 1000000700:3:1:-4 1000000950:5:7:16 1000001800:1:2:25 1000002100:4:2:U <<'WORDS'
DS:a:GAUGE:900:U:U DS:b:GAUGE:900:U:U DS:c:GAUGE:900:U:U DS:known:COMPUTE:a,b,c,3,AVG,c,UN,POP
DS:shaky:COMPUTE:1,2,3,b,UN,0,b,IF,SORT,POP,POP DS:root:COMPUTE:c,SQRT,ABS
RRA:AVERAGE:0.5:1:6 RRA:LAST:0.5:2:4
WORDS

# Two files that begin with the history of others: other steps, names and functions, and a copy of all definitions.
rrdtool create begun.rrd --source kinds.after.rrd --source seasons.after.rrd --step 200 DS:gauge:GAUGE:600:U:U \
    DS:x=b[2]:GAUGE:600:U:U DS:a:GAUGE:900:U:U RRA:AVERAGE:0.4:1:8 RRA:MAX:0.5:5:6 RRA:LAST:0:3:9
rrdtool dump begun.rrd >begun.dump
rrdtool create begun.rrd --template kinds.after.rrd --source kinds.after.rrd --start 1000004000
rrdtool dump begun.rrd >continued.dump
rm begun.rrd

# Version 0001, which no rrdtool of today creates: no microseconds behind the time of the last update.
xargs rrdtool create new.rrd --start 1000000000 <<'WORDS'
DS:a:GAUGE:600:U:U DS:b:COUNTER:600:U:U RRA:AVERAGE:0.5:1:5 RRA:MAX:0.5:2:3
WORDS
head=$((128 + 2 * 120 + 2 * 120 + 8))
{ head -c 4 new.rrd; printf 0001; head -c $head new.rrd | tail -c +9; tail -c +$((head + 9)) new.rrd; } >version1.before.rrd
rm new.rrd
cp version1.before.rrd version1.after.rrd
printf '%s\n' 1000000300:1:5 1000000600.75:2:9 1000001500:3:20 >version1.updates
while read -r update; do rrdtool update version1.after.rrd "$update"; done <version1.updates
describe version1
