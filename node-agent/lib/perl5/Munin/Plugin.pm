package Munin::Plugin;

# What plugins written in Perl share, under the names that Munin's have. It loads little, because it is loaded at each run.

use strict;
use warnings;

use Exporter ();
use Fcntl ();
use Munin::Common::Defaults;

our @ISA    = ('Exporter');
our @EXPORT = qw(
    clean_fieldname
    set_state_name save_state restore_state
    get_thresholds print_thresholds adjust_threshold
    tail_open tail_close
    scaleNumber
    need_multigraph
);

# The plugin's name, as its link has it.
our $me = (split m{/}, $0)[-1];

# Where plugins remember things, and the file of this one.
our $pluginstatedir = $ENV{MUNIN_PLUGSTATE} || $Munin::Common::Defaults::MUNIN_PLUGSTATE;
our $statefile      = $ENV{MUNIN_STATEFILE};

our $DEBUG = $ENV{MUNIN_DEBUG} || 0;

my $STATE_FORM = '%MUNIN-STATE1.0';

# A name that a field can have, of any text. Many strange characters in front become one `_`.
sub clean_fieldname ($) {
    my ($name) = @_;
    $name =~ s/\A[^A-Za-z_]+/_/;
    $name =~ tr/A-Za-z0-9_/_/c;
    return $name eq 'root' ? '__root' : $name;
}

# Another name for the file of the state.
sub set_state_name ($) {
    my ($name) = @_;
    my $master = defined $ENV{MUNIN_MASTER_IP} ? $ENV{MUNIN_MASTER_IP} : '';
    $statefile = "$pluginstatedir/$name-$master";
    return $statefile;
}

# Remembers strings until restore_state. The file is there whole or not at all.
sub save_state (@) {
    my @state = @_;
    print "State file: $statefile\n" if $DEBUG;
    my $new = "$statefile.$$.new";
    unlink $new;
    # Never through a link that somebody else put there.
    sysopen(my $file, $new, Fcntl::O_WRONLY() | Fcntl::O_CREAT() | Fcntl::O_EXCL(), 0600)
        or die "$me: state file $new cannot be written: $!\n";
    for my $line (@state) {
        $line = '' if !defined $line;
        $line =~ s/([%\r\n])/sprintf '%%%02X', ord $1/ge;
    }
    my $text = join "\n", $STATE_FORM, @state;
    if (!(print {$file} "$text\n" and close $file and rename $new, $statefile)) {
        my $why = $!;
        unlink $new;
        die "$me: state file $statefile cannot be written: $why\n";
    }
    return 1;
}

# What was remembered; nothing the first time, and where the file is another's.
sub restore_state {
    return if !defined $statefile;
    open my $file, '<', $statefile or return;
    my @lines = <$file>;
    close $file;
    chomp @lines;
    my $form = shift @lines;
    if (!defined $form or $form ne $STATE_FORM) {
        warn "$me: state file $statefile: expected $STATE_FORM in the first line\n";
        return;
    }
    # A last empty string is not told from none.
    pop @lines while @lines and $lines[-1] eq '';
    s/%([0-9A-Fa-f]{2})/chr hex $1/ge for @lines;
    return @lines;
}

# The thresholds that the settings give a field, from the named variables, those named after the field, the general ones.
sub get_thresholds {
    my ($field, $warning_name, $critical_name, $warning_default, $critical_default) = @_;
    my $first = sub {
        my ($level, $name, $default) = @_;
        my @names = grep { defined } $name, "${field}_$level", $level;
        for my $value (map { $ENV{$_} } @names) {
            return $value if $value;
        }
        return $default;
    };
    return ($first->('warning', $warning_name, $warning_default),
            $first->('critical', $critical_name, $critical_default));
}

sub print_thresholds {
    my @asked = @_;
    my ($warning, $critical) = get_thresholds(@asked);
    print "$asked[0].warning $warning\n"   if defined $warning;
    print "$asked[0].critical $critical\n" if defined $critical;
    return;
}

# Turns each percentage of a threshold into its part of the base.
sub adjust_threshold {
    my ($threshold, $base) = @_;
    return undef if !defined $threshold or !defined $base;
    $threshold =~ s{(\d+(?:\.\d*)?)%}{$1 * $base / 100}ge;
    return $threshold;
}

# Opens a file where it was left. One that is shorter than that is another one and is read from its beginning.
sub tail_open ($$) {
    my ($path, $position) = @_;
    my $size = -s $path;
    if (!-e _) {
        warn "$me: $path is not there: $!\n";
        return (undef, undef);
    }
    $size ||= 0;
    $position ||= 0;
    warn "$path has $size bytes, read from $position\n" if $DEBUG;
    open my $file, '<', $path or die "$me: $path cannot be read: $!\n";
    return ($file, 1) if $position > $size;
    seek $file, $position, 0 or die "$me: $path has no place $position: $!\n";
    return ($file, 0);
}

# Closes it and says where it was left.
sub tail_close ($) {
    my ($file) = @_;
    my $position = tell $file;
    close $file or warn "$me: closing: $!\n";
    return $position;
}

my @PREFIXES = (
    [1e24,  'Y'], [1e21,  'Z'], [1e18,  'E'], [1e15,  'P'], [1e12,  'T'], [1e9,   'G'],
    [1e6,   'M'], [1e3,   'k'], [1,     ''],  [1e-3,  'm'], [1e-6,  'u'], [1e-9,  'n'],
    [1e-12, 'p'], [1e-15, 'f'], [1e-18, 'a'], [1e-21, 'z'], [1e-24, 'y'],
);

# A number with a unit and its prefix.
sub scaleNumber {
    my ($number, $unit, $if_zero, $format) = @_;
    $format ||= '%.1f%s%s';
    # A number that is as good as a power of ten is one.
    my $size = abs($number) * 1.0000001;
    if ($size < 1e-26) {
        return defined $if_zero ? $if_zero : sprintf $format, $number, '', $unit;
    }
    my ($fitting) = grep { $size > $_->[0] } @PREFIXES;
    my ($power, $prefix) = @{ $fitting || $PREFIXES[-1] };
    return sprintf $format, $number / $power, $prefix, $unit;
}

# Ends the plugin with an answer that harms nobody where several graphs of one plugin are not understood.
sub need_multigraph {
    return if $ENV{MUNIN_CAP_MULTIGRAPH};
    my $word = @ARGV ? $ARGV[0] : '';
    if ($word eq 'autoconf') {
        print "no (needs multigraph)\n";
    }
    elsif ($word eq 'config') {
        print "graph_title This plugin needs multigraph\nmultigraph.label nothing\n";
    }
    else {
        print "multigraph.value 0\n";
    }
    exit 0;
}

1;
