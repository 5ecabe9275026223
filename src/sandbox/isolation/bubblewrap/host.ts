import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { AppError } from '../../../lib/errors.ts'
import { exhaustionRemedy } from '../../../lib/exhaustion.ts'
import { chooseGroups } from '../limits/choose-groups.ts'
import type { ControlGroups } from '../limits/control-groups.ts'
import type { StagedMount } from '../programs/launch-script.ts'
import { findProgram, runTool, toolsFolder } from '../programs/run-tool.ts'
import { seccompProgram } from '../seccomp.ts'
import type { MountSources } from './arguments.ts'

/** Features of this host for building sandboxes. */
export interface BubblewrapHost {
  /** Path of the bubblewrap executable. */
  bwrap: string
  isRoot: boolean
  /**
   * Folder with mount points that every user may traverse; present when root may mount. Each run is mounted there in a
   * mount namespace of its own, so the real parent folders stay closed to the sandbox's user.
   */
  stage: string | undefined
  groups: ControlGroups | undefined
  hasSeccomp: boolean
  /** Whether Perl can be the bridge to the gateway. Otherwise Node is, which takes ten times as long to start. */
  hasPerl: boolean
}

/** Folder that only root can write: several servers of one host coordinate through files here. */
export const machineFolder = '/run/jetty'

/** Creates the folder with its empty mount points; undefined where root may not mount. */
const prepareStage = async (): Promise<string | undefined> => {
  const stage = join(machineFolder, 'stage')
  mkdirSync(machineFolder, { recursive: true, mode: 0o755 })
  for (const name of ['', 'run', 'tools', 'agent']) mkdirSync(join(stage, name), { recursive: true, mode: 0o755 })
  writeFileSync(join(stage, 'node'), '', { flag: 'a', mode: 0o755 })
  const script = `mount --bind ${stage} ${join(stage, 'run')}`
  const { code, stderr } = await runTool('unshare', [
    '--mount',
    '--propagation',
    'private',
    '--',
    '/bin/sh',
    '-c',
    script,
  ])
  const hint = exhaustionRemedy(stderr) // running out of descriptors says nothing about permission to mount
  if (hint) throw new AppError('sandbox_unavailable', `Sandboxes are not available: ${stderr.slice(0, 500)}`, { hint })
  return code === 0 ? stage : undefined
}

/** Perl of the host, which the sandbox sees at the same path. */
export const perl = '/usr/bin/perl'

/** Whether Perl is installed with the modules of the bridge. */
const canBridge = async (): Promise<boolean> =>
  existsSync(perl) && (await runTool(perl, ['-c', join(toolsFolder, 'bridge.pl')])).code === 0

/** Hint for hosts without Linux: Docker Desktop shares neither sockets nor pipes with its virtual machine. */
export const elsewhere =
  'Run Jetty on Linux, such as in a virtual machine (Lima, WSL 2); JETTY_SANDBOX=process runs agents without a sandbox.'

export const lookAtHost = async (): Promise<BubblewrapHost> => {
  const bwrap = findProgram('bwrap')
  if (process.platform !== 'linux' || bwrap === undefined) {
    const isLinux = process.platform === 'linux'
    throw new AppError(
      'sandbox_unavailable',
      isLinux ? 'bubblewrap is not installed' : 'bubblewrap runs only on Linux',
      {
        hint: isLinux
          ? 'Install it: `apt install bubblewrap` (Debian, Ubuntu), `dnf install bubblewrap` (Fedora).'
          : elsewhere,
      },
    )
  }
  const isRoot = process.getuid?.() === 0
  return {
    bwrap,
    isRoot,
    stage: isRoot ? await prepareStage() : undefined,
    groups: await chooseGroups(),
    hasSeccomp: seccompProgram() !== undefined,
    hasPerl: await canBridge(),
  }
}

/**
 * Resolves the host paths to mount, and how bubblewrap reaches them. Only what stands in a closed folder is mounted at the
 * stage: each mount takes a process.
 */
export const sourcesOn = (
  { stage }: BubblewrapHost,
  run: string,
  agent: string | undefined,
): { sources: MountSources; mounts: StagedMount[] } => {
  const real = { run, tools: toolsFolder, node: process.execPath, ...(agent !== undefined && { agent }) }
  const closed = Object.entries(real).filter(([, path]) => closedOnTheWay(path) !== undefined)
  const staged = stage === undefined ? [] : closed.map(([name, from]) => ({ name, from, to: join(stage, name) }))
  const sources = { ...real, agent, ...Object.fromEntries(staged.map(({ name, to }) => [name, to])) }
  return { sources: { ...sources, toolNames: readdirSync(toolsFolder) }, mounts: staged }
}

/** Finds the first folder of a path that the sandbox's user cannot traverse; undefined when all are open. */
export const closedOnTheWay = (path: string): string | undefined => {
  const above = dirname(path)
  const isOpen = ((statSync(path, { throwIfNoEntry: false })?.mode ?? 0) & 0o001) !== 0
  if (!isOpen) return path
  return above === path ? undefined : closedOnTheWay(above)
}
