/** Shell scripts that fill the disk with files which no folder and no table of descriptors names. Debian's perl-base runs them. */

/** `fill` makes a file of 16 MiB, `drop` removes its name and its descriptor; `call` is a system call by its number on x64 and arm64. */
const prelude = `
use strict; use Socket;
my $isArm = \`uname -m\` =~ /aarch64|arm64/;
sub call { my ($x64, $arm, @rest) = @_; my $got = syscall($isArm ? $arm : $x64, @rest); die "call $x64: $!" if $got < 0; $got }
my $count = 0; my $file;
sub fill { open($file, "+>", "f" . ++$count) or die $!; call(285, 47, fileno($file), 0, 0, 16 << 20) }
sub drop { unlink("f$count"); close($file) }
`

const perl = (program: string): string => `perl -e '${prelude}${program}'`

export const hiddenFiles: readonly (readonly [name: string, script: string])[] = [
  [
    'files that are only mapped',
    perl(
      'for (1..40) { fill(); call(9, 222, 0, 4096, 3, 1, fileno($file), 0); drop(); select(undef, undef, undef, 0.1) } sleep 600',
    ),
  ],
  [
    'files whose descriptors are in transit',
    perl(`
socketpair(my $from, my $to, AF_UNIX, SOCK_STREAM, PF_UNSPEC) or die $!;
for (1..40) {
  fill();
  my $byte = "x"; my $part = pack("PQ", $byte, 1);
  my $control = pack("Qlllx4", 20, 1, 1, fileno($file));
  my $message = pack("QLx4PQPQlx4", 0, 0, $part, 1, $control, 24, 0);
  call(46, 211, fileno($from), $message, 0);
  drop(); select(undef, undef, undef, 0.1);
}
sleep 600`),
  ],
]
