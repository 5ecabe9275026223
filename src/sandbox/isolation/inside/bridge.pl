# Runs inside a sandbox without network: perl bridge.pl COMMAND [ARGUMENT...]
# Listens on 127.0.0.1:3128, runs the command, and forwards each connection unchanged to the gateway's unix socket. Ends as the
# command does. It is bridge.mjs in a tenth of its time and memory. It loads no other module than strict:
# Socket, Fcntl and warnings took 6 of 8 ms of CPU.
use strict;

my ( $port, $gateway, $chunk ) = ( 3128, '/run/jetty/gateway.sock', 64 * 1024 );
# Numbers of Linux, the same on all processors that Node is built for.
my ( $no_such_file, $interrupted, $try_again, $at_once ) = ( 2, 4, 11, 1 );
my ( $unix, $internet, $stream, $tcp, $no_delay, $of_sockets, $reuse_address ) = ( 1, 2, 1, 6, 1, 1, 2 );
my ( $get_flags, $set_flags, $without_waiting ) = ( 3, 4, 2048 );
my $loopback = pack 'C4', 127, 0, 0, 1;
my $look_again = 1;    # seconds; the end of the command may fall between the look and select

sub fail { my ( $code, $message ) = @_; print STDERR "bridge: $message\n"; exit $code }
fail( 126, 'no command was given' ) if !@ARGV;

socket( my $listener, $internet, $stream, 0 ) or fail( 126, "cannot listen: $!" );
setsockopt( $listener, $of_sockets, $reuse_address, 1 );
bind( $listener, pack 'S n a4 x8', $internet, $port, $loopback ) && listen( $listener, 511 ) or fail( 126, "cannot listen: $!" );

$SIG{CHLD} = sub { };    # wakes up select
my $child = fork;
fail( 126, "cannot start: $!" ) if !defined $child;
if ( $child == 0 ) {
    exec { $ARGV[0] } @ARGV;
    fail( $! == $no_such_file ? 127 : 126, "$ARGV[0] cannot be started: $!" );
}
for my $signal (qw(TERM INT HUP)) {
    $SIG{$signal} = sub { kill $signal, $child };
}
$SIG{PIPE} = 'IGNORE';
for my $output ( *STDIN, *STDOUT, *STDERR ) { open $output, '+<', '/dev/null' }    # what is open belongs to the command

# One way of a connection: what was read and is not written yet, or the end, which is passed on when all is written.
my %ways;                                         # by the number of the socket that is read

sub close_both {
    my ($way) = @_;
    delete $ways{ fileno $_ } for $way->{from}, $way->{to};
    close $_ for $way->{from}, $way->{to};
    return;
}

sub nonblocking { fcntl $_[0], $set_flags, fcntl( $_[0], $get_flags, 0 ) | $without_waiting }

sub take {
    accept( my $inner, $listener ) or return select undef, undef, undef, 0.01;
    socket( my $outer, $unix, $stream, 0 ) or return;
    connect( $outer, pack 'S a108', $unix, $gateway ) or return;
    setsockopt $inner, $tcp, $no_delay, 1;
    nonblocking($_) for $inner, $outer;
    $ways{ fileno $inner } = { from => $inner, to => $outer, held => '', ended => 0 };
    $ways{ fileno $outer } = { from => $outer, to => $inner, held => '', ended => 0 };
    return;
}

sub read_from {
    my ($way) = @_;
    my $count = sysread $way->{from}, $way->{held}, $chunk;
    return if !defined $count && ( $! == $try_again || $! == $interrupted );
    return close_both($way) if !defined $count;
    return write_to($way) if $count > 0;
    $way->{ended} = 1;
    shutdown $way->{to}, 1;
    close_both($way) if $ways{ fileno $way->{to} }{ended};
    return;
}

sub write_to {
    my ($way) = @_;
    my $count = syswrite $way->{to}, $way->{held};
    return if !defined $count && ( $! == $try_again || $! == $interrupted );
    return close_both($way) if !defined $count;
    substr $way->{held}, 0, $count, '';
    return;
}

while ( waitpid( $child, $at_once ) == 0 ) {
    my ( $readable, $writable ) = ( '', '' );
    vec( $readable, fileno $listener, 1 ) = 1;
    for my $way ( values %ways ) {
        if    ( $way->{held} ne '' ) { vec( $writable, fileno $way->{to},   1 ) = 1 }
        elsif ( !$way->{ended} )     { vec( $readable, fileno $way->{from}, 1 ) = 1 }
    }
    next if select( $readable, $writable, undef, $look_again ) <= 0;
    for my $number ( keys %ways ) {
        my $way = $ways{$number} or next;    # closed in this round
        if ( $way->{held} ne '' ) { write_to($way) if vec $writable, fileno $way->{to}, 1 }
        elsif ( vec $readable, $number, 1 ) { read_from($way) }
    }
    take() if vec $readable, fileno $listener, 1;
}
exit( ( $? & 127 ) != 0 ? 128 + ( $? & 127 ) : $? >> 8 );
