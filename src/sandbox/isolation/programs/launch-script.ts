import type { SandboxLimits } from '../sandbox.ts'
import { findProgram } from './run-tool.ts'

/** Quotes any text as one word for `sh`. */
const quoted = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`

/** A host path that is mounted at another one which every user can traverse. */
export interface StagedMount {
  from: string
  to: string
}

interface LaunchScriptOptions {
  limits: SandboxLimits
  /** Control group files into which the process writes its id. */
  joins: readonly string[]
  mounts: readonly StagedMount[]
  /** Maximum processes and threads of its user, including those that already run. */
  userProcesses?: number | undefined
  /** Command that replaces the script by `exec`, with the same process id: the sandbox dies with its parent. */
  argv: readonly string[]
}

const fileBlockBytes = 512 // unit of `ulimit -f` in a POSIX shell

/** First descriptor that may have leaked from the process that started the server. */
const firstForeign = 7
const lastOfAnyShell = 9

const bash = findProgram('bash')

/** Shell that runs a launch script. */
export const launchShell: readonly string[] = bash === undefined ? ['/bin/sh', '-c'] : [bash, '--norc', '--posix', '-c']

/** Closes inherited descriptors. Only bash can name descriptors of more than one digit. */
const closing =
  bash !== undefined
    ? `for d in /proc/$$/fd/*; do d=\${d##*/}; [ "$d" -lt ${firstForeign} ] || eval "exec $d>&-"; done`
    : Array.from({ length: lastOfAnyShell - firstForeign + 1 }, (_, n) => `exec ${firstForeign + n}>&-`).join('\n')

/** Maximum open files of one process; the server's own limit times all processes of a sandbox would be too much. */
export const mostOpenFiles = 16_384

/** Some shells name the option `-p`. A limit that is already lower cannot be raised, and need not be. */
const limitProcesses = (count: number): string =>
  [
    `ulimit -u ${count} 2>/dev/null`,
    `ulimit -p ${count} 2>/dev/null`,
    `[ "$(ulimit -Hu 2>/dev/null || ulimit -Hp)" -le ${count} ]`,
  ].join(' || ')

/** Sets up what bubblewrap does not: control groups, mounts past a closed folder, and the maximum file size. */
export const launchScript = ({ limits, joins, mounts, userProcesses, argv }: LaunchScriptOptions): string =>
  [
    'set -e',
    closing,
    ...joins.map((path) => `echo $$ > ${quoted(path)}`),
    ...mounts.map(({ from, to }) => `mount --bind ${quoted(from)} ${quoted(to)}`),
    `ulimit -f ${Math.floor(limits.diskBytes / fileBlockBytes)}`,
    'ulimit -c 0',
    `ulimit -n ${mostOpenFiles} 2>/dev/null || true`, // fails harmlessly when the hard limit is lower
    ...(userProcesses === undefined ? [] : [limitProcesses(userProcesses)]),
    `exec ${argv.map(quoted).join(' ')}`,
  ].join('\n')

/** Descriptor over which the sandbox reports that it is ready and is told to start. */
export const gateDescriptor = 6

/**
 * First process inside. It waits until the server has seen that it is ready: from then on the kernel kills it with the
 * server. `ulimit -u` counts within its user namespace, so other processes of the server's user do not matter.
 */
export const gateScript = (pids: number): string =>
  [
    limitProcesses(pids),
    `echo ready >&${gateDescriptor}`,
    `read -r go <&${gateDescriptor} || exit 125`,
    `exec ${gateDescriptor}>&-`,
    'exec "$@"',
  ].join('\n')
