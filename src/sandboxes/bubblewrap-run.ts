import { type ChildProcess, spawn } from 'node:child_process'
import type { Duplex, Readable, Writable } from 'node:stream'
import { AppError } from '../lib/errors.ts'
import { inside } from '../model/sandbox.ts'
import { bubblewrapArguments } from './bubblewrap-arguments.ts'
import { type BubblewrapHost, sourcesOn } from './bubblewrap-host.ts'
import { remedyFor } from './bubblewrap-remedies.ts'
import type { ControlGroup } from './control-groups.ts'
import { watchDisk } from './disk-watch.ts'
import { exitOf } from './exit-of.ts'
import { gateDescriptor, gateScript, launchScript } from './launch-script.ts'
import { watchMemory } from './memory-watch.ts'
import { descendantsOf, signalAll } from './process-tree.ts'
import type { RunFolder } from './run-folder.ts'
import { systemPath } from './run-tool.ts'
import type { SandboxCommand, SandboxExit, SandboxLimits } from './sandbox.ts'
import { seccompProgram } from './seccomp.ts'
import { supervise } from './supervise.ts'

export interface BubblewrapRun {
  host: BubblewrapHost
  folder: RunFolder
  /** Of this machine; undefined where it is the user of this process. */
  uid: number | undefined
  agentFolder: string | undefined
  limits: SandboxLimits
  group: ControlGroup | undefined
  command: SandboxCommand
}

const launchMs = 30_000
const mostErrorBytes = 4_096

// Descriptors of the launcher beside 0, 1 and 2.
const statusDescriptor = 3
const argumentsDescriptor = 4
const seccompDescriptor = 5
const stdio = Array.from({ length: gateDescriptor + 1 }, () => 'pipe' as const)

/** What is set where the command does not say otherwise. */
const usualEnv = {
  PATH: `${systemPath}:${inside.tools}`,
  HOME: inside.home,
  USER: 'agent',
  LOGNAME: 'agent',
  LANG: 'C.UTF-8',
  TMPDIR: '/tmp',
}

const innerArgv = ({ argv, network }: SandboxCommand): string[] =>
  network === 'gateway' ? [`${inside.tools}/node`, `${inside.tools}/bridge.mjs`, '--', ...argv] : [...argv]

const launcherArgv = ({ host, uid, folder, agentFolder, limits, group, command }: BubblewrapRun): string[] => {
  const { mounts } = sourcesOn(host, folder.path, agentFolder)
  const bwrap = [
    ...[host.bwrap, '--args', String(argumentsDescriptor), '--json-status-fd', String(statusDescriptor)],
    ...(host.hasSeccomp ? ['--seccomp', String(seccompDescriptor)] : []),
    ...['--', '/bin/sh', '-c', gateScript(limits.pids), 'jetty', ...innerArgv(command)],
  ]
  const asUser =
    uid === undefined
      ? bwrap
      : ['setpriv', '--reuid', String(uid), '--regid', String(uid), '--clear-groups', '--', ...bwrap]
  const script = launchScript({ limits, joins: group?.joins ?? [], mounts, argv: asUser })
  const shell = ['/bin/sh', '-c', script]
  const apart = host.stage === undefined ? shell : ['unshare', '--mount', '--propagation', 'private', '--', ...shell]
  return [...(group?.launcher ?? []), ...apart]
}

/** The words that bubblewrap says about itself, one JSON object after the other. */
const readStatus = (stream: Readable) => {
  const status: { childPid?: number; exitCode?: number } = {}
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

/** Ends a stream that the other side may have closed already. */
const feed = (stream: Writable, bytes: Buffer | string): void => {
  stream.on('error', () => {}) // it has ended without reading: how it ended says why
  stream.end(bytes)
}

/** Waits until the inside says that it stands; fails with what the launcher says instead. */
const standing = async (child: ChildProcess, gate: Duplex, closed: Promise<void>): Promise<void> => {
  const said: Buffer[] = []
  const hear = (chunk: Buffer) => said.push(chunk)
  child.stderr?.on('data', hear)
  const timer = setTimeout(() => child.kill('SIGKILL'), launchMs)
  const stood = await Promise.race([
    new Promise<true>((resolve) => gate.once('data', () => resolve(true))),
    closed.then(() => false as const),
  ])
  clearTimeout(timer)
  child.stderr?.off('data', hear).pause()
  if (stood) return
  const text = Buffer.concat(said).subarray(0, mostErrorBytes).toString().trim()
  throw new AppError(
    'sandbox_unavailable',
    `The sandbox could not be made: ${text || 'the launcher ended without a word'}`,
    {
      hint: remedyFor(text),
    },
  )
}

/** Carries one command out in a sandbox of its own over the folders of a run. */
export const runInBubblewrap = async (run: BubblewrapRun): Promise<SandboxExit> => {
  const { host, folder, agentFolder, limits, group, command } = run
  const { sources } = sourcesOn(host, folder.path, agentFolder)
  const [file = '', ...args] = launcherArgv(run)
  const child = spawn(file, args, { stdio, cwd: '/', env: host.launcherEnv, detached: true })
  const closed = new Promise<void>((resolve, reject) => {
    child.once('close', () => resolve())
    child.once('error', reject)
  })
  const pipes = child.stdio as unknown as Duplex[]
  const status = readStatus(pipes[statusDescriptor] as Duplex)
  const words = bubblewrapArguments({
    sources,
    env: { ...usualEnv, ...command.env },
    cwd: command.cwd ?? inside.app,
    hasGateway: command.network === 'gateway',
    temporaryBytes: Math.floor(limits.memoryBytes / 2),
  })
  feed(pipes[argumentsDescriptor] as Duplex, words.map((word) => `${word}\0`).join(''))
  feed(pipes[seccompDescriptor] as Duplex, seccompProgram() ?? '')
  const gate = pipes[gateDescriptor] as Duplex
  gate.on('error', () => {})

  const everything = (): number[] =>
    (group?.pids() ?? descendantsOf(status.childPid ?? 0)).filter((pid) => pid !== child.pid)
  const kill = () => {
    if (status.childPid !== undefined) signalAll([status.childPid], 'SIGKILL') // the kernel kills all in its namespace
    child.kill('SIGKILL')
  }
  const started = { child, closed, kill, terminate: () => signalAll(everything(), 'SIGTERM') }

  await standing(child, gate, closed).catch((error) => {
    kill()
    throw error
  })
  group?.started(child.pid ?? 0)
  feed(child.stdin as Writable, command.stdin ?? '')
  gate.end('go\n')
  const disk = watchDisk({ folders: [folder.folders.app, folder.folders.home], limits, pids: everything })
  const memory = host.groups?.mechanisms.memory === undefined ? watchMemory(everything, limits) : undefined
  const supervised = await supervise(started, command, limits, memory ? [disk, memory] : [disk])
  const usage = group?.usage()
  return exitOf({
    ...supervised,
    code: status.exitCode ?? (supervised.stopped ? null : child.exitCode),
    isLost: status.exitCode === undefined,
    oomKills: usage?.oomKills ?? 0,
    isDiskFull: await disk.isFull(),
    peakMemoryBytes: usage?.peakMemoryBytes ?? memory?.peakBytes() ?? null,
    refusedProcesses: usage?.refusedProcesses ?? null,
  })
}
