package Munin::Plugin::SNMP;

# What plugins that speak SNMP share, under the names that Munin's have: Net::SNMP, which has to be installed, set up by the
# plugin's name and settings. A link is called snmp_HOST_NAME or snmpv3_HOST_NAME, HOST maybe with `:PORT`.

use strict;
use warnings;

use Net::SNMP;
use Munin::Plugin;

our @ISA = ('Net::SNMP');

# One switch for both modules.
our $DEBUG;
*DEBUG = \$Munin::Plugin::DEBUG;

# Each option of Net::SNMP and the setting that it comes from.
my @COMMON  = ([-timeout => 'timeout'], [-domain => 'domain']);
my %VERSION = (
    1 => 1, snmpv1  => 1,
    2 => 2, snmpv2c => 2,
    3 => 3, snmpv3  => 3,
);

sub _debug {
    my @words = @_;
    print STDERR "# @words\n" if $DEBUG;
    return;
}

# (host, port, version, rest of the name), the settings before what the name says.
sub config_session {
    my ($v3, $host, $tail) = $0 =~ m{(?:\A|/)snmp(v3)?_([^_/]+)_([^/]*)\z};
    my $port;
    ($host, $port) = ($1, $2) if defined $host and $host =~ /\A([^:]+):(\d+)\z/;
    $host = $ENV{host} || $host
        or die "$Munin::Plugin::me: expected a host in the name, as snmp_HOST_..., or env.host\n";
    return ($host, $ENV{port} || $port || 161, $ENV{version} || ($v3 ? 3 : 2), $tail);
}

# A session; further options are those of Net::SNMP.
sub session {
    my ($class, @more) = @_;
    my ($host, $port, $version) = config_session();
    my $kind = $VERSION{$version}
        or die "$Munin::Plugin::me: env.version: expected 1, 2 or 3, found $version\n";
    my @options = (-hostname => $host, -port => $port, -version => $version, @more);
    push @options, map { $ENV{ $_->[1] } ? ($_->[0] => $ENV{ $_->[1] }) : () } @COMMON;
    push @options, $kind == 3 ? _secrets() : (-community => $ENV{community} || 'public');
    _debug("session with $host:$port, version $version");
    my ($session, $error) = $class->SUPER::session(@options);
    die "$Munin::Plugin::me: session with $host: $error\n" if !$session;
    return $session;
}

# The options of version 3. One password for both purposes is enough.
sub _secrets {
    my ($private, $known) = ($ENV{v3privpassword}, $ENV{v3authpassword});
    my @options;
    if ($private) {
        push @options, -privpassword => $private, -privprotocol => $ENV{v3privprotocol} || 'des';
        $known ||= $private;
    }
    if ($known) {
        push @options, -authpassword => $known, -authprotocol => $ENV{v3authprotocol} || 'md5';
    }
    push @options, -username => $ENV{v3username} if $ENV{v3username};
    return @options;
}

# -baseoid OID, -cols { NUMBER => NAME }: a table as { ROW => { NAME => VALUE } }.
sub get_hash {
    my ($self, %options) = @_;
    my ($base, $columns) = delete @options{qw(-baseoid -cols)};
    return if !$columns;
    my %name_of = map { ("$base.$_." => $columns->{$_}) } keys %{$columns};
    my @oids    = map { "$base.$_" } keys %{$columns};
    my $entries = $self->get_entries(%options, -columns => \@oids) or return;
    # The longest first, so that column 11 is not taken for row 1 of column 1.
    my @prefixes = sort { length $b <=> length $a } keys %name_of;
    my %rows;
    for my $oid (keys %{$entries}) {
        my ($prefix) = grep { index($oid, $_) == 0 } @prefixes;
        next if !defined $prefix;
        $rows{ substr $oid, length $prefix }{ $name_of{$prefix} } = $entries->{$oid};
    }
    return \%rows;
}

# One value; nothing where there is none.
sub get_single {
    my ($self, $oid) = @_;
    my $answer = $self->get_request($oid);
    my $value = $answer ? $answer->{$oid} : undef;
    if (!defined $value or $self->error_status or $value =~ /\AnoSuch(?:Object|Instance)\z/) {
        _debug("$oid: no value:", $self->error);
        return;
    }
    return $value;
}

# The rows of a table whose values match, by what follows the OID.
sub get_by_regex {
    my ($self, $base, $pattern) = @_;
    $base =~ s/\.\z//;
    my $table = $self->get_table(-baseoid => $base);
    if (!$table) {
        _debug("$base: no table:", $self->error);
        return;
    }
    my %found;
    for my $oid (keys %{$table}) {
        next if $table->{$oid} !~ /$pattern/;
        $found{$1} = $table->{$oid} if $oid =~ /\A\Q$base\E\.(.*)\z/;
    }
    return \%found;
}

1;
