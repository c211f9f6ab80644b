# What plugins written in shell share, under the names that Munin's have: sourced by them as
# "$MUNIN_LIBDIR/plugins/plugin.sh". Runs in any POSIX shell, under `set -e` and `set -u` as well.

# Makes a name that a field can have of any text.
clean_fieldname() {
    printf '%s\n' "$*" | sed 's/^[^A-Za-z_]/_/; s/[^A-Za-z0-9_]/_/g; s/^root$/__root/'
}

# Prints the first of the variables named in the arguments that is set to something.
_first_of() (
    for name in "$@"; do
        # No variable has such a name, and none may be evaluated that is not one.
        case $name in
            '' | [0-9]* | *[!A-Za-z0-9_]*) continue ;;
        esac
        eval "value=\${$name:-}"
        if [ -n "$value" ]; then
            printf '%s\n' "$value"
            break
        fi
    done
)

# FIELD [VARIABLE]: the threshold that the settings give a field, from $VARIABLE, $FIELD_warning or $warning.
get_warning() {
    _first_of "${2:-}" "${1}_warning" warning
}

get_critical() {
    _first_of "${2:-}" "${1}_critical" critical
}

# FIELD LEVEL THRESHOLD: the line of config, where there is a threshold.
_threshold_line() {
    if [ -n "$3" ]; then
        printf '%s.%s %s\n' "$1" "$2" "$3"
    fi
}

print_warning() {
    _threshold_line "$1" warning "$(get_warning "$@")"
}

print_critical() {
    _threshold_line "$1" critical "$(get_critical "$@")"
}

# FIELD [VARIABLE_OF_WARNING [VARIABLE_OF_CRITICAL]]
print_thresholds() {
    print_warning "$1" "${2:-}"
    print_critical "$1" "${3:-}"
}

# THRESHOLD BASE: turns each percentage of a threshold into its part of the base.
adjust_threshold() {
    if [ -n "${1:-}" ] && [ -n "${2:-}" ]; then
        printf '%s\n' "$1" | awk -F: -v OFS=: -v base="$2" '{
            for (part = 1; part <= 2; part++)
                if ($part ~ /%/) $part = base * $part / 100
            print
        }'
    fi
}

# FIELD BASE [VARIABLE_OF_WARNING [VARIABLE_OF_CRITICAL]]
print_adjusted_thresholds() {
    _threshold_line "$1" warning "$(adjust_threshold "$(get_warning "$1" "${3:-}")" "$2")"
    _threshold_line "$1" critical "$(adjust_threshold "$(get_critical "$1" "${4:-}")" "$2")"
}

# ARGUMENT: ends the plugin with an answer that harms nobody where several graphs of one plugin are not understood.
is_multigraph() {
    if [ "${MUNIN_CAP_MULTIGRAPH:-0}" = 1 ]; then
        return 0
    fi
    case ${1:-} in
        autoconf) echo 'no (needs multigraph)' ;;
        config)
            echo 'graph_title This plugin needs multigraph'
            echo 'multigraph.label nothing'
            ;;
        *) echo 'multigraph.value 0' ;;
    esac
    exit 0
}

# Whether readings are welcome in config.
is_dirtyconfig() {
    [ "${MUNIN_CAP_DIRTYCONFIG:-0}" = 1 ]
}
