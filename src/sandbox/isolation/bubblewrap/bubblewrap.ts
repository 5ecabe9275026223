import type { ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Duplex, Readable, Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { AppError, messageOf } from '../../../lib/errors.ts'
import { asExhausted, exhaustionRemedy } from '../../../lib/exhaustion.ts'
import type { Logger } from '../../../lib/log.ts'
import { makeByteBlocks } from '../../../lib/memory/byte-blocks.ts'
import { inside } from '../../../model/runbooks/sandbox.ts'
import { exitOf, neverBegun } from '../exit-of.ts'
import { descendantsOf, signalAll } from '../limits/process-tree.ts'
import { superviseProcesses } from '../limits/supervise-processes.ts'
import { probeTools } from '../probe-tools.ts'
import { openCommandPipes } from '../programs/command-pipes.ts'
import { gateDescriptor, gateScript, launchScript, launchShell, type StagedMount } from '../programs/launch-script.ts'
import { isCollected, runTool, systemPath } from '../programs/run-tool.ts'
import { makeRunFolder, type RunFolder } from '../run-folder.ts'
import type {
  LimitMechanisms,
  Sandbox,
  SandboxCommand,
  SandboxExit,
  SandboxLimits,
  SandboxProbe,
  SandboxProvider,
  SandboxSpec,
} from '../sandbox.ts'
import { type CommandTurn, liveSandbox, reapFolders, type SandboxLife } from '../sandbox-life.ts'
import { seccompProgram } from '../seccomp.ts'
import { removeLeftClaims, takeUserSlot, type UserSlot } from '../user-slot.ts'
import { bubblewrapArguments, etcFiles } from './arguments.ts'
import { type BubblewrapHost, closedOnTheWay, lookAtHost, machineFolder, perl, sourcesOn } from './host.ts'

const ofContainer =
  'The server runs in a container that forbids what sandboxes are made of. Start that container with `--security-opt ' +
  'seccomp=unconfined` and `--security-opt systempaths=unconfined` (Docker) or `--security-opt unmask=ALL` (Podman).'

const namespaces = /uid map|RTM_NEWADDR|No permissions to create (a )?new namespace|user namespace/i

/** Error outputs of bubblewrap and its launcher, each with a remedy; the first match counts. */
const remedies: readonly [said: RegExp, remedy: string][] = [
  [
    namespaces,
    'This system restricts user namespaces. On Ubuntu 24.04 and later allow them for bubblewrap alone: write ' +
      '`abi <abi/4.0>, include <tunables/global> profile bwrap /usr/bin/bwrap flags=(unconfined) { userns, }` to ' +
      '/etc/apparmor.d/bwrap, then `sudo systemctl reload apparmor`. On Debian before 11: `sysctl kernel.unprivileged_userns_clone=1`. ' +
      'A unit of systemd needs deploy/sandboxes.conf.',
  ],
  [/mount proc|proc: Operation not permitted|set hostname/i, ofContainer],
  [
    /unshare.*Operation not permitted|mount: .*permission denied|must be superuser/i,
    'Root may not mount here. Set JETTY_SANDBOX_DIR and JETTY_AGENTS_DIR to folders that every user may pass through, ' +
      'such as /srv/jetty-sandboxes, or run the server as an ordinary user.',
  ],
  [
    /Can't find source path|Permission denied/i,
    'The user of the sandboxes may not enter their folder. Set JETTY_SANDBOX_DIR and JETTY_AGENTS_DIR to ' +
      'folders that every user may enter.',
  ],
  [
    /No space left|max_user_namespaces/i,
    'Raise the limit: `sysctl user.max_user_namespaces=15000`, or free some space.',
  ],
  [
    /ENOENT|not found|No such file/i,
    'Install it: `apt install bubblewrap` (Debian, Ubuntu), `dnf install bubblewrap` (Fedora).',
  ],
]

const usual =
  'See "Sandboxes do not start" in docs/sandboxes.md, or set JETTY_SANDBOX=docker or ' +
  'podman where one of them runs.'

/** Docker and Podman leave these files in every container. */
const isContainer = (): boolean => existsSync('/.dockerenv') || existsSync('/run/.containerenv')

/** Finds the remedy for an error output. */
const remedyFor = (said: string): string => {
  const remedy = exhaustionRemedy(said) ?? remedies.find(([pattern]) => pattern.test(said))?.[1] ?? usual
  return namespaces.test(said) && isContainer() ? `${ofContainer} If the host forbids them: ${remedy}` : remedy
}

interface BubblewrapRun extends CommandTurn {
  host: BubblewrapHost
  folder: RunFolder
  /** Host user id of the sandbox; undefined when it is the server's own user. */
  uid: number | undefined
  agentFolder: string | undefined
  limits: SandboxLimits
}

const launchMs = 30_000
const mostErrorBytes = 4_096

// Descriptors that the launcher inherits beside 0, 1 and 2.
const statusDescriptor = 3
const argumentsDescriptor = 4
const seccompDescriptor = 5
const spokenOver = [argumentsDescriptor, seccompDescriptor, gateDescriptor]

/** Environment variables set unless the command overrides them. */
const usualEnv = {
  PATH: `${systemPath}:${inside.tools}`,
  HOME: inside.home,
  USER: 'agent',
  LOGNAME: 'agent',
  LANG: 'C.UTF-8',
  TMPDIR: '/tmp',
}

const bridge = ({ hasPerl }: BubblewrapHost): string[] =>
  hasPerl ? [perl, `${inside.tools}/bridge.pl`] : [`${inside.tools}/node`, `${inside.tools}/bridge.mjs`, '--']

const innerArgv = (host: BubblewrapHost, { argv, network }: SandboxCommand): string[] =>
  network === 'gateway' ? [...bridge(host), ...argv] : [...argv]

const launcherArgv = (
  { host, uid, limits, group, command }: BubblewrapRun,
  mounts: readonly StagedMount[],
): string[] => {
  const bwrap = [
    ...[host.bwrap, '--args', String(argumentsDescriptor), '--json-status-fd', String(statusDescriptor)],
    ...(host.hasSeccomp ? ['--seccomp', String(seccompDescriptor)] : []),
    ...['--', '/bin/sh', '-c', gateScript(limits.pids), 'jetty', ...innerArgv(host, command)],
  ]
  const asUser =
    uid === undefined
      ? bwrap
      : ['setpriv', '--reuid', String(uid), '--regid', String(uid), '--clear-groups', '--', ...bwrap]
  const script = launchScript({ limits, joins: group?.joins ?? [], mounts, argv: asUser })
  const shell = [...launchShell, script]
  const apart = mounts.length === 0 ? shell : ['unshare', '--mount', '--propagation', 'private', '--', ...shell]
  return [...(group?.launcher ?? []), ...apart]
}

/** Reads the JSON status objects of bubblewrap; `whole` resolves when no more will come. */
const readStatus = (stream: Readable) => {
  const whole = finished(stream).catch(() => {}) // then the exit status is unknown
  const status: { childPid?: number; exitCode?: number; whole: Promise<void> } = { whole }
  let text = ''
  stream.setEncoding('utf8').on('data', (chunk: string) => {
    text = (text + chunk).slice(-mostErrorBytes)
    const childPid = /"child-pid"\s*:\s*(\d+)/.exec(text)?.[1]
    const exitCode = /"exit-code"\s*:\s*(\d+)/.exec(text)?.[1]
    if (childPid !== undefined) status.childPid = Number(childPid)
    if (exitCode !== undefined) status.exitCode = Number(exitCode)
  })
  return status
}

/** Writes to and closes a stream whose reader may be gone. */
const feed = (stream: Writable, bytes: Buffer | string): void => {
  stream.on('error', () => {}) // the command ended without reading; its exit says why
  stream.end(bytes)
}

/**
 * Waits until the sandbox reports that it is ready. False: the launcher ended first, and `said` has its error output.
 */
const standing = async (
  { kill: giveUp, stderr, gate, closed }: { kill(): void; stderr: Readable; gate: Duplex; closed: Promise<void> },
  signal: AbortSignal,
): Promise<{ stood: boolean; said: string }> => {
  const said = makeByteBlocks()
  const hear = (chunk: Buffer) => said.add(chunk.subarray(0, mostErrorBytes - said.size))
  const timer = setTimeout(giveUp, launchMs)
  signal.addEventListener('abort', giveUp, { once: true })
  if (signal.aborted) giveUp() // aborted while the launcher was starting
  stderr.on('data', hear)
  try {
    const stood = await Promise.race([
      new Promise<true>((resolve) => gate.once('data', () => resolve(true))),
      closed.then(() => false as const),
    ])
    if (!stood) await finished(stderr).catch(() => {})
    return { stood, said: said.take().toString().trim() }
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', giveUp)
    stderr.off('data', hear).pause()
  }
}

/**
 * Kills bubblewrap's process group. That includes a child that bubblewrap has forked but not released, which would
 * otherwise wait forever; later the child has a session of its own.
 */
const killLaunched = (child: ChildProcess): void => {
  if (child.pid !== undefined && !isCollected(child)) signalAll([-child.pid], 'SIGKILL')
}

const unavailable = (said: string): AppError =>
  new AppError(
    'sandbox_unavailable',
    `The sandbox could not be created: ${said || 'its launcher ended without output'}`,
    {
      hint: remedyFor(said),
    },
  )

/** Runs one command in a new sandbox over the folders of a run. */
const runInBubblewrap = async (run: BubblewrapRun): Promise<SandboxExit> => {
  const { host, folder, uid, agentFolder, limits, group, command } = run
  const { sources, mounts } = sourcesOn(host, folder.path, agentFolder)
  const words = bubblewrapArguments({
    sources,
    env: { ...usualEnv, ...command.env },
    cwd: command.cwd ?? inside.app,
    hasGateway: command.network === 'gateway',
    temporaryBytes: Math.floor(limits.memoryBytes / 2),
  })
  const argv = launcherArgv(run, mounts)
  const pipes = await openCommandPipes(join(folder.path, `pipes-${run.number}`), command.stdin, uid)
  const options = {
    stdio: [...pipes.descriptors, pipes.status.descriptor, ...spokenOver.map(() => 'pipe' as const)],
    cwd: '/',
    env: { PATH: systemPath },
    detached: true, // a Ctrl-C in the terminal is meant for the server
  }
  const child = await pipes.start(argv, options).catch((error) => {
    throw unavailable(messageOf(error))
  })
  const status = readStatus(pipes.status.stream)
  const closed = new Promise<void>((resolve) => {
    child.once('close', () => resolve(status.whole))
  })
  const [, , , , argumentsPipe, seccompPipe, gate] = child.stdio as unknown as Duplex[]
  if (!argumentsPipe || !seccompPipe || !gate) throw new TypeError('a launcher has the pipes that it was given')
  feed(argumentsPipe, words.map((word) => `${word}\0`).join(''))
  feed(seccompPipe, seccompProgram() ?? '')
  gate.on('error', () => {})

  const everything = (): number[] =>
    (group?.pids() ?? descendantsOf(status.childPid ?? 0)).filter((pid) => pid !== child.pid)
  const kill = () => {
    // the kernel then kills the whole PID namespace
    if (status.childPid !== undefined) signalAll([status.childPid], 'SIGKILL')
    killLaunched(child)
  }
  const { stderr, stdout } = pipes
  const begunMs = performance.now()
  const { stood, said } = await standing({ kill, stderr, gate, closed }, command.signal)
  if (!stood) {
    pipes.discard()
    if (!command.signal.aborted) throw unavailable(said)
    return neverBegun(performance.now() - begunMs)
  }
  group?.started(child.pid ?? 0)
  gate.end('go\n')
  const ended = await superviseProcesses({ ...run, groups: host.groups, everything, stdout, stderr, closed, kill })
  return exitOf({ ...ended, code: status.exitCode ?? null, isLost: status.exitCode === undefined })
}

const nothing: LimitMechanisms = { memory: undefined, pids: undefined, cpu: undefined, disk: undefined }

/** Names the mechanism that enforces each limit: a control group, or else a best-effort watch of ours. */
const mechanismsOf = ({ groups }: BubblewrapHost): LimitMechanisms => ({
  memory: groups?.mechanisms.memory ?? 'watched',
  pids: groups?.mechanisms.pids ?? 'rlimit',
  cpu: groups?.mechanisms.cpu,
  disk: 'watched',
})

/** Creates a sandbox exactly as a runbook would get it, and inspects it from inside. */
const probeBubblewrap = async (
  host: () => Promise<BubblewrapHost>,
  create: SandboxProvider['create'],
  signal: AbortSignal | undefined,
): Promise<SandboxProbe> => {
  try {
    const found = await host()
    const version = /\d[\d.]*/.exec((await runTool(found.bwrap, ['--version'])).stdout)?.[0] ?? 'of unknown version'
    const tools = await probeTools(create, { signal })
    const mechanisms = mechanismsOf(found)
    const missing = found.hasSeccomp ? '' : `, no filter of system calls for ${process.arch}`
    const limits = Object.entries(mechanisms).map(([name, by]) => `${name} ${by ?? 'not limited'}`)
    return {
      works: true,
      found: `bubblewrap ${version}${missing}; ${limits.join(', ')}`,
      mechanisms,
      tools,
    }
  } catch (error) {
    const remedy = (error instanceof AppError && error.hint) || remedyFor(messageOf(error))
    return { works: false, found: messageOf(error), remedy, mechanisms: nothing, tools: {} }
  }
}

interface BubblewrapProviderOptions {
  /** Folder in which run folders are created. */
  parent: string
  /** First user id for sandboxes when the server runs as root. */
  firstUid: number
  log: Logger
  /** Finds the programs and mechanisms of this host. Default: a real look; tests pass their own. */
  lookAtHost?: () => Promise<BubblewrapHost>
}

/** Folder of the claims of all servers of this host. */
const userClaims = `${machineFolder}/uids`

/** Isolates each command in Linux namespaces made by bubblewrap: it sees only the files that are mounted for it. */
export const bubblewrapProvider = (options: BubblewrapProviderOptions): SandboxProvider => {
  const { parent, firstUid, log } = options
  let looking: Promise<BubblewrapHost> | undefined
  let trying: Promise<SandboxProbe> | undefined
  const host = () => {
    looking ??= (options.lookAtHost ?? lookAtHost)()
    looking.catch(() => {
      looking = undefined // bubblewrap may be installed before the next attempt
    })
    return looking
  }

  const create = async (spec: SandboxSpec): Promise<Sandbox> => {
    if (spec.image !== undefined) {
      throw new AppError('sandbox_unavailable', `bubblewrap cannot run the image ${spec.image}`, {
        hint: 'Set JETTY_SANDBOX=docker or podman, or use a snapshot that needs no image.',
      })
    }
    let slot: UserSlot | undefined
    try {
      const found = await host()
      slot = found.isRoot ? await takeUserSlot(userClaims, firstUid) : undefined
      return await furnish(found, spec, slot?.uid, (isClean) => (isClean ? slot?.keep() : slot?.release()))
    } catch (error) {
      slot?.release()
      throw asExhausted(error, 'Sandboxes are not available')
    }
  }

  const furnish = async (
    found: BubblewrapHost,
    { id, limits, agentFolder }: SandboxSpec,
    uid: number | undefined,
    release: SandboxLife['release'],
  ): Promise<Sandbox> => {
    const folder = await makeRunFolder({ parent, id, uid, etc: etcFiles })
    const closed = uid !== undefined && found.stage === undefined ? closedOnTheWay(folder.path) : undefined
    if (closed !== undefined) {
      await folder.remove()
      throw new AppError('sandbox_unavailable', `The user of the sandboxes may not enter ${closed}`, {
        hint: 'Set JETTY_SANDBOX_DIR and JETTY_AGENTS_DIR to folders that every user may enter.',
      })
    }
    return liveSandbox({
      ...{ id, folder, places: inside, limits, groups: found.groups, log, release },
      carryOut: (turn) => runInBubblewrap({ ...turn, host: found, folder, uid, agentFolder, limits }),
    })
  }

  const provider: SandboxProvider = {
    name: 'bubblewrap',
    create,
    probe(signal) {
      trying ??= probeBubblewrap(host, provider.create, signal).finally(() => {
        trying = undefined
      })
      return trying
    },
    async reap() {
      const found = await host().catch(() => undefined)
      const removed = await reapFolders(parent, found?.groups, log)
      if (found?.isRoot) await removeLeftClaims(userClaims)
      return removed
    },
  }
  return provider
}
