/* librrd alone: one update a call, as a poller without rrdcached does it; and fetch. Compiled by tests/bench.
 *
 *   librrd create DIR FILES FIELDS START 0        makes DIR/HUNDREDS/FILE.rrd in Munin's layout
 *   librrd update DIR FILES FIELDS START ROUNDS   one call of rrd_update_r a file and round
 *   librrd fetch  DIR FILES FIELDS START COUNT    a day of COUNT files
 *
 * Prints cpu=MICROSECONDS wall=MICROSECONDS of the calls; texts are made before.
 */
#include <rrd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>

static const char *dir;
static int files, fields;
static long start;

static long micros(struct timeval t) { return t.tv_sec * 1000000L + t.tv_usec; }

static long cpu(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return micros(used.ru_utime) + micros(used.ru_stime);
}

static long wall(void) {
    struct timeval now;
    gettimeofday(&now, NULL);
    return micros(now);
}

static void fail(const char *what) {
    fprintf(stderr, "%s: %s\n", what, rrd_get_error());
    exit(1);
}

static const char *path(int file) {
    static char text[4096];
    snprintf(text, sizeof text, "%s/%d/%d.rrd", dir, file / 100, file);
    return text;
}

static int is_gauge(int file, int field) { return (file + field) % 2 == 0; }

static void create(void) {
    static const char *archives[] = {"1:576", "6:432", "24:540", "288:450"};
    static const char *kinds[] = {"AVERAGE", "MIN", "MAX"};
    const char **words = malloc((fields + 12) * sizeof *words);
    for (int k = 0; k < 3; k++)
        for (int a = 0; a < 4; a++) {
            char *word = malloc(64);
            snprintf(word, 64, "RRA:%s:0.5:%s", kinds[k], archives[a]);
            words[fields + 4 * k + a] = word;
        }
    for (int field = 0; field < fields; field++) words[field] = malloc(64);
    for (int file = 0; file < files; file++) {
        for (int field = 0; field < fields; field++)
            snprintf((char *)words[field], 64, "DS:f%d:%s:900:U:U", field, is_gauge(file, field) ? "GAUGE" : "DERIVE");
        if (rrd_create_r(path(file), 300, start, fields + 12, words)) fail("create");
    }
}

static char *reading(char *at, int file, int field, long round) {
    if (is_gauge(file, field)) {
        long hundredths = (file * 7919L + field * 104729L + round * 31337L) % 100000;
        return at + sprintf(at, ":%ld.%02ld", hundredths / 100, hundredths % 100);
    }
    return at + sprintf(at, ":%ld", round * (1000 + (file * 31L + field) % 977) + (long)file * field);
}

static void update(int rounds) {
    char **texts = malloc(files * sizeof *texts), **paths = malloc(files * sizeof *paths);
    for (int file = 0; file < files; file++) {
        texts[file] = malloc(32 + 24 * fields);
        paths[file] = strdup(path(file));
    }
    long used = 0, passed = 0;
    for (long round = 1; round <= rounds; round++) {
        for (int file = 0; file < files; file++) {
            char *at = texts[file] + sprintf(texts[file], "%ld", start + round * 300 + 7);
            for (int field = 0; field < fields; field++) at = reading(at, file, field, round);
        }
        long cpu_before = cpu(), wall_before = wall();
        for (int file = 0; file < files; file++) {
            const char *words[] = {texts[file]};
            if (rrd_update_r(paths[file], NULL, 1, words)) fail("update");
        }
        used += cpu() - cpu_before;
        passed += wall() - wall_before;
    }
    printf("cpu=%ld wall=%ld\n", used, passed);
}

static void fetch(int count) {
    long cpu_before = cpu(), wall_before = wall(), rows = 0;
    for (int number = 0; number < count; number++) {
        time_t end = start + 12 * 300, from = end - 86400;
        unsigned long step = 1, sources;
        char **names;
        rrd_value_t *values;
        if (rrd_fetch_r(path(number % files), "AVERAGE", &from, &end, &step, &sources, &names, &values)) fail("fetch");
        rows += (end - from) / step;
        for (unsigned long source = 0; source < sources; source++) rrd_freemem(names[source]);
        rrd_freemem(names);
        rrd_freemem(values);
    }
    printf("cpu=%ld wall=%ld rows=%ld\n", cpu() - cpu_before, wall() - wall_before, rows / count);
}

int main(int count, char **words) {
    if (count != 7) return 2;
    dir = words[2];
    files = atoi(words[3]);
    fields = atoi(words[4]);
    start = atol(words[5]);
    if (!strcmp(words[1], "create")) { create(); printf("cpu=%ld wall=0\n", cpu()); }
    else if (!strcmp(words[1], "update")) update(atoi(words[6]));
    else if (!strcmp(words[1], "fetch")) fetch(atoi(words[6]));
    else return 2;
    return 0;
}
