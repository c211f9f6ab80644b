package Munin::Common::Defaults;

# Where things are, under the names that Munin's plugins know. The agent says them in the environment; what it does not
# say is where Debian has it.

use strict;
use warnings;

my %elsewhere = (
    MUNIN_PREFIX     => '/usr',
    MUNIN_CONFDIR    => '/etc/munin',
    MUNIN_BINDIR     => '/usr/bin',
    MUNIN_SBINDIR    => '/usr/sbin',
    MUNIN_DOCDIR     => '/usr/share/doc',
    MUNIN_LIBDIR     => '/usr/share/munin',
    MUNIN_HTMLDIR    => '/var/cache/munin/www',
    MUNIN_CGIDIR     => '/usr/lib/munin/cgi',
    MUNIN_CGITMPDIR  => '',
    MUNIN_DBDIR      => '/var/lib/munin',
    MUNIN_PLUGSTATE  => '/var/lib/munin-node/plugin-state',
    MUNIN_SPOOLDIR   => '/var/lib/munin-async',
    MUNIN_MANDIR     => '/usr/share/man',
    MUNIN_LOGDIR     => '/var/log/munin',
    MUNIN_STATEDIR   => '/var/run/munin',
    MUNIN_USER       => 'munin',
    MUNIN_GROUP      => 'munin',
    MUNIN_PLUGINUSER => 'nobody',
    MUNIN_VERSION    => '2.0',
    MUNIN_PERL       => $^X,
    MUNIN_PERLLIB    => '/usr/share/perl5',
    MUNIN_GOODSH     => '/bin/sh',
    MUNIN_BASH       => '/bin/bash',
    MUNIN_PYTHON     => '/usr/bin/python3',
    MUNIN_RUBY       => '/usr/bin/ruby',
    MUNIN_OSTYPE     => $^O,
    MUNIN_HOSTNAME   => 'localhost',
    MUNIN_MKTEMP     => 'mktemp -p /tmp/ $1',
    MUNIN_HASSETR    => 1,
);

our $DROPDOWNLIMIT = 1;

# Each becomes a package variable, as $Munin::Common::Defaults::MUNIN_LIBDIR.
for my $name (keys %elsewhere) {
    my $value = defined $ENV{$name} ? $ENV{$name} : $elsewhere{$name};
    no strict 'refs';
    no warnings 'once';
    ${"Munin::Common::Defaults::$name"} = $value;
}

sub get_defaults {
    no strict 'refs';
    return { map { $_ => ${"Munin::Common::Defaults::$_"} } keys %elsewhere };
}

sub export_to_environment {
    my ($class) = @_;
    my $defaults = $class->get_defaults();
    $ENV{$_} = $defaults->{$_} for keys %{$defaults};
    return;
}

1;
