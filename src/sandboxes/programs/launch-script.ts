import type { SandboxLimits } from '../sandbox.ts'
import { findProgram } from './find-program.ts'
import { quoted } from './shell-text.ts'

/** Something of this machine that is to be seen at another place, where those who come after pass. */
export interface StagedMount {
  from: string
  to: string
}

export interface LaunchScriptOptions {
  limits: SandboxLimits
  /** Files into which the process writes its id. */
  joins: readonly string[]
  mounts: readonly StagedMount[]
  /** How many processes and threads its user may have, those that are there already included. */
  userProcesses?: number | undefined
  /** What it becomes, with the same process id: the sandbox dies with its parent. */
  argv: readonly string[]
}

const fileBlockBytes = 512 // what `ulimit -f` counts in, in a POSIX shell

/** Descriptors from here on are none of ours: whoever started the server has left them open. */
const firstForeign = 7
const lastOfAnyShell = 9

const bash = findProgram('bash')

/** The words for a shell that takes a launch script. */
export const launchShell: readonly string[] = bash === undefined ? ['/bin/sh', '-c'] : [bash, '--norc', '--posix', '-c']

/** Closes what a sandbox must not inherit. Only bash knows descriptors of more than one digit. */
const closing =
  bash !== undefined
    ? `for d in /proc/$$/fd/*; do d=\${d##*/}; [ "$d" -lt ${firstForeign} ] || eval "exec $d>&-"; done`
    : Array.from({ length: lastOfAnyShell - firstForeign + 1 }, (_, n) => `exec ${firstForeign + n}>&-`).join('\n')

/** Files that one process may have open; what the server may is too much times all processes of a sandbox. */
export const mostOpenFiles = 16_384

/** Some shells call it `-p`. A limit that is lower already cannot be raised, and need not be. */
const limitProcesses = (count: number): string =>
  [
    `ulimit -u ${count} 2>/dev/null`,
    `ulimit -p ${count} 2>/dev/null`,
    `[ "$(ulimit -Hu 2>/dev/null || ulimit -Hp)" -le ${count} ]`,
  ].join(' || ')

/** Sets up what bubblewrap itself does not: control groups, mounts past a closed folder, the largest file. */
export const launchScript = ({ limits, joins, mounts, userProcesses, argv }: LaunchScriptOptions): string =>
  [
    'set -e',
    closing,
    ...joins.map((path) => `echo $$ > ${quoted(path)}`),
    ...mounts.map(({ from, to }) => `mount --bind ${quoted(from)} ${quoted(to)}`),
    `ulimit -f ${Math.floor(limits.diskBytes / fileBlockBytes)}`,
    'ulimit -c 0',
    `ulimit -n ${mostOpenFiles} 2>/dev/null || true`, // of fewer there are no more to be had
    ...(userProcesses === undefined ? [] : [limitProcesses(userProcesses)]),
    `exec ${argv.map(quoted).join(' ')}`,
  ].join('\n')

/** The descriptor over which the inside says that it stands, and hears that it may begin. */
export const gateDescriptor = 6

/**
 * The first process inside. It waits until our process, which it must not outlive, has seen that it stands: by then the
 * kernel knows that it dies with us. `ulimit -u` counts in the user namespace that it is in, so that what else the user
 * of the server runs does not matter.
 */
export const gateScript = (pids: number): string =>
  [
    limitProcesses(pids),
    `echo ready >&${gateDescriptor}`,
    `read -r go <&${gateDescriptor} || exit 125`,
    `exec ${gateDescriptor}>&-`,
    'exec "$@"',
  ].join('\n')
