#!/usr/bin/env bash
# Makes graphs.rrd and graphs.txt: commands (words between tabs behind "$ ") and what rrdtool answers.
set -euo pipefail
cd "$(dirname "$0")"
export TZ=Europe/Zurich LC_ALL=C
start=1774735200
rm -f graphs.rrd
rrdtool create graphs.rrd --step 60 --start $start DS:a:GAUGE:120:U:U DS:b:GAUGE:120:U:U \
    RRA:AVERAGE:0.5:1:60 RRA:AVERAGE:0.5:5:40 RRA:MAX:0.5:5:40
for row in $(seq 1 120); do
    a=$(((row * 37) % 101 - 20)).25
    [ $((row % 17)) -ne 0 ] || a=U
    rrdtool update graphs.rrd $((start + 60 * row)):$a:$((row * row))
done
ask() {
    printf '$ %s\n' "$(printf '%s\t' "$@" | sed 's/\t$//')"
    rrdtool "$@"
}
x=DEF:x=graphs.rrd:a:AVERAGE
y=DEF:y=graphs.rrd:b:MAX
late=(--start $((start + 4000)) --end $((start + 6600)))
all=(--start $start --end $((start + 7200)))
{
    ask xport "${late[@]}" $x XPORT:x:'the a'
    ask xport "${all[@]}" --json --step 600 $x $y CDEF:z=x,y,ADDNAN XPORT:x XPORT:z:sum
    ask xport "${all[@]}" --enumds -t -m 20 $x $y VDEF:v=y,95,PERCENT CDEF:c=x,v,MIN,PREV,ADDNAN XPORT:c
    ask xport "${all[@]}" --step 300 $x CDEF:d=x,NEWDAY,LTIME,3600,%,COUNT,+,+,+ CDEF:t=x,900,TRENDNAN XPORT:d XPORT:t
    ask graphv /dev/null "${all[@]}" $x $y VDEF:m=x,MAXIMUM VDEF:f=x,FIRST VDEF:s=y,TOTAL VDEF:l=y,LSLSLOPE \
        PRINT:m:'%6.2lf %sB' 'PRINT:m:%d.%m.%Y %H\:%M\:%S %Z:strftime' PRINT:f:%lg 'PRINT:f:%c:strftime' PRINT:s:%.3le%S \
        PRINT:l:%lf 'PRINT:s:%F %T:strftime' 'PRINT:s:%W %d %H\:%02m:valstrfduration' 'PRINT:m:%F %T:valstrftime' \
        PRINT:x:AVERAGE:%lf PRINT:x:MIN:%lf PRINT:y:LAST:%lf
    ask graphv /dev/null "${all[@]}" --title T --vertical-label V $x $y 'AREA:x#00ff00:a' 'LINE1:y#0000ff:b:STACK' \
        GPRINT:x:MAX:'max %6.1lf%s\l' 'COMMENT:words\r' HRULE:5#000:five VRULE:1774738000#f00:then 'TEXTALIGN:center' 'COMMENT:end'
    ask graphv /dev/null "${all[@]}" --alt-autoscale-max --lower-limit 0 --no-legend $x SHIFT:x:-600 LINE2:x#ff0000
} > graphs.txt
