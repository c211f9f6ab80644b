#!/usr/bin/env bash
# Makes times.txt: what rrdtool takes pairs of times for, at several moments in several zones. The tool reads the clock,
# so a library that stands still is put in front of it.
set -euo pipefail
cd "$(dirname "$0")"
still=$(mktemp -d)
trap 'rm -r "$still"' EXIT
cat > "$still/still.c" <<'C'
#include <stdlib.h>
#include <time.h>
time_t time(time_t *into) {
    time_t now = atoll(getenv("STILL"));
    if (into) *into = now;
    return now;
}
C
cc -shared -fPIC -o "$still/still.so" "$still/still.c"

pairs() {
    cat <<'PAIRS'
end-24h|now
-1d|N
-1d|n
end-1d2h|now-1h
1000000000|start+10min
1000000000|s+600
now - 1 week|now
-1month|now
-1m|now
-6m|now
-1h5m|now
-1d5m|now
-1w1m|now
-1y6m|now
-1mon|now
-5min|now
-1hr|now
-1wk|now
-2yr|now
-1d12h30|now
end-6months|now
end-1y1d|noon
end-31d|1.1.2027
start-1d|now
now|end-1d
end-1d|start+1d
noon-1d|noon
midnight|teatime
midnight yesterday|midnight tomorrow
noon today|now+1d
noon monday|noon sunday+1w
noon sat-1w|now
00:00|23:59
0:00|24:00
9am|9pm
9:30am|9:30pm
12am|12pm
12:01am yesterday|12:59pm
13pm|now
6pm monday|6pm friday
10|now+1d
8 tomorrow-2d|now
10.30|now
03/14/2026|now
3/14/26|now
3/14/99|now
12:30 3/14/2019|12:30 3/15/2019
3/14/2019 12:30|3/15/2019 12:30
14.3.2026|14.03.2026 20:15
14.3.26|now
20260314|20260315
12:00 20260314|20260315 -1d
20260314 12:00|20260315 13:30
20260314-1d|now
19700102|now
mar 14 2026|march 15 2026
March 14|now
march 14 2026 12:30|now
march 14 1999 +1d|now
december 24 1985|now
noon mar 14|now
noon 3/14|now
noon 14.3.|now
noon 20260314|now
noon yesterday+1d3h|now
teatime_yesterday|noon,tomorrow
NOON  Yesterday|NOW
noon now|now
now noon|now
now+|now
now-x|now
now-1parsec|now
now-5-3+2|now
-1d-|now
-1 day 2 hours|now
-1day,2hours|now
+1d|now+2d
now-1d+12h|now
end|now
start|now
epoch|now
monday|now
today|now
yesterday|now
pm|now
5000|now
316000000|now
315300000|now
1000000000-6months|1000000000
1000000000+1y|1030000000
1784900000-6months|1784900000
1784900000-5months|1784900000-1d
noon 1000000000|now
12:30 1000000000|now
1000000000.5|now
1000000000;5|now
1000000000 noon|now
1/1/1950|now
1/1/50|now
1/1/138|now
1/1/150|now
1/1/2200|1/2/2200
1/40/2026|now
31/1/2026|now
2/31/2026|now
31.4.2026|now
31.13.2026|now
2:75|now
2:|now
2:30 3/29/2026|now
4:30 10/25/2026|now
3:00 3/29/2026|4:00 3/29/2026
2:30 29.3.2026 +1d|now
noon 3/30/2026 -1d|now
midnight 10/26/2026 -1d|midnight 10/26/2026
1792888200-1d|1792888200
1792891800+1d|1792991800
1774749600-1m|1774749600
1774749600+1d|1774849600
janu 5 2026|now
jan|now
jan x|now
sep 5 2025|oct 5 2025
aug 5 25|now
- 1d|now
--1d|now
-1d|+1d
-1000000|now
PAIRS
}

for zone in UTC Europe/Zurich America/New_York Asia/Kathmandu Australia/Lord_Howe; do
    # A winter evening, a summer night; for one zone the hours around both changes of its clocks, too. What the tool
    # says within an hour that comes twice hangs on what it calculated before.
    moments="1795201200 1784849400"
    [ $zone != Europe/Zurich ] || moments="$moments 1774747800 1792881000 1792895400"
    for now in $moments; do
        pairs | while IFS='|' read -r start end; do
            answer=$(printf 'graphv - --start "%s" --end "%s" VRULE:1#000\n' "$start" "$end" |
                TZ=$zone STILL=$now LD_PRELOAD=$still/still.so rrdtool - |
                grep -a -o '^ERROR: .*\|^graph_start = .*\|^graph_end = .*' |
                sed 's/^graph_start = //; s/^graph_end = / /; s/^ERROR: //' | tr -d '\n')
            echo "$zone|$now|$start|$end|$answer"
        done
    done
done > times.txt
