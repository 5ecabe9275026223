import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Logger } from '../../../lib/log.ts'
import { inside } from '../../../model/runbooks/sandbox.ts'
import { exitOf, neverBegun } from '../exit-of.ts'
import { watchDisk } from '../limits/disk-watch.ts'
import { supervise } from '../limits/supervise.ts'
import { toolsFolder } from '../programs/find-program.ts'
import { mostOpenFiles } from '../programs/launch-script.ts'
import { systemPath } from '../programs/run-tool.ts'
import type { RunFolder } from '../run-folder.ts'
import type { SandboxCommand, SandboxExit, SandboxLimits } from '../sandbox.ts'
import type { CommandTurn } from '../sandbox-life.ts'
import type { ContainerEngine, EngineFacts } from './engine.ts'
import type { EngineImage } from './engine-images.ts'
import { type ContainerPipes, openContainerPipes, pipeScript, pipesInside } from './pipes.ts'
import type { ContainerEnd, StartedContainer } from './started-container.ts'
import { watchUsage } from './usage.ts'

/** User inside a container, in the engine's notation. */
export interface ContainerUser {
  uid: number
  gid: number
  /** How user ids inside map to those of the host. */
  usernsMode?: string
}

interface ContainerRun extends CommandTurn {
  id: string
  engine: ContainerEngine
  facts: EngineFacts
  image: EngineImage
  user: ContainerUser
  folder: RunFolder
  agentFolder: string | undefined
  limits: SandboxLimits
  labels: Readonly<Record<string, string>>
  log: Logger
}

type CreateOptions = Parameters<ContainerEngine['start']>[0]

/** File name in `etc` of a run folder. */
export const seccompFile = 'seccomp.json'

const shmBytes = 64 * 1024 ** 2
/** Time after a kill until a container counts as lost. */
const killMs = 30_000

const usualEnv = { HOME: inside.home, USER: 'agent', LOGNAME: 'agent', LANG: 'C.UTF-8', TMPDIR: '/tmp' }

const innerArgv = ({ argv, network }: SandboxCommand): string[] =>
  network === 'gateway' ? [`${inside.tools}/node`, `${inside.tools}/bridge.mjs`, '--', ...argv] : [...argv]

const mountsOf = (
  { folder, agentFolder, command }: ContainerRun,
  pipes: ContainerPipes,
): [from: string, to: string, isWritable?: true][] => [
  [join(folder.path, 'app'), inside.app, true],
  [join(folder.path, 'home'), inside.home, true],
  [join(folder.path, 'etc/passwd'), '/etc/passwd'],
  [join(folder.path, 'etc/group'), '/etc/group'],
  [pipes.folder, pipesInside],
  ...readdirSync(toolsFolder).map((name): [string, string] => [join(toolsFolder, name), `${inside.tools}/${name}`]),
  [process.execPath, `${inside.tools}/node`],
  ...(agentFolder === undefined ? [] : [[agentFolder, inside.agent] as [string, string]]),
  ...(command.network === 'gateway' ? [[join(folder.path, 'gateway'), inside.gateway] as [string, string]] : []),
]

/** Builds the container's options. Volumes of the image are overridden, since the disk watch does not cover them. */
const optionsOf = (run: ContainerRun, pipes: ContainerPipes): CreateOptions => {
  const { id, number, facts, image, user, folder, limits, labels, command } = run
  const temporary = `rw,exec,nosuid,nodev,mode=1777,size=${Math.floor(limits.memoryBytes / 2)}`
  const PATH = `${image.path ?? systemPath}:${inside.tools}`
  return {
    name: `jetty-${id}-${process.pid}-${number}`,
    Image: image.id,
    Entrypoint: ['/bin/sh'],
    Cmd: ['-c', pipeScript, 'jetty', ...innerArgv(command)],
    Env: Object.entries({ ...usualEnv, PATH, ...command.env }).map(([name, value]) => `${name}=${value}`),
    User: `${user.uid}:${user.gid}`,
    WorkingDir: command.cwd ?? inside.app,
    Hostname: 'sandbox',
    Labels: { ...labels },
    NetworkDisabled: true,
    HostConfig: {
      Mounts: mountsOf(run, pipes).map(([Source, Target, isWritable]) => ({
        Type: 'bind',
        Source,
        Target,
        ReadOnly: !isWritable,
        BindOptions: { Propagation: 'rprivate' },
      })),
      NetworkMode: 'none',
      IpcMode: 'private',
      ...(user.usernsMode !== undefined && { UsernsMode: user.usernsMode }),
      CapDrop: ['ALL'],
      SecurityOpt: [
        'no-new-privileges',
        ...(facts.hasSelinux ? ['label=disable'] : []),
        // Docker wants the profile's text; its default profile already refuses what matters here.
        ...(facts.isPodman ? [`seccomp=${join(folder.path, 'etc', seccompFile)}`] : []),
      ],
      ReadonlyRootfs: true,
      Tmpfs: Object.fromEntries(['/tmp', '/var/tmp', ...image.volumes].map((path) => [path, temporary])),
      ShmSize: shmBytes,
      Init: true,
      LogConfig: { Type: 'none', Config: {} },
      Memory: limits.memoryBytes,
      MemorySwap: limits.memoryBytes,
      NanoCpus: Math.round(limits.cpus * 1e9),
      PidsLimit: limits.pids,
      Ulimits: [
        { Name: 'core', Soft: 0, Hard: 0 },
        { Name: 'nofile', Soft: mostOpenFiles, Hard: mostOpenFiles },
        { Name: 'fsize', Soft: limits.diskBytes, Hard: limits.diskBytes },
      ],
    },
  }
}

/** Waits for a container to end; one that cannot be killed counts as lost. */
const attend = async (run: ContainerRun, container: StartedContainer, pipes: ContainerPipes): Promise<SandboxExit> => {
  const { id, folder, limits, command, log } = run
  const watching = watchUsage(container)
  let giveUp: NodeJS.Timeout | undefined
  let lose: (end: ContainerEnd) => void = () => {}
  const lost = new Promise<ContainerEnd>((resolve) => {
    lose = resolve
  })
  const kill = () => {
    giveUp ??= setTimeout(() => lose({ code: null, isOutOfMemory: false }), killMs)
    container.kill().catch((error: unknown) => log.error({ sandbox: id, error }, 'a container cannot be killed'))
  }
  const terminate = () => {
    if (run.isAtOnce()) kill()
    else container.terminate().catch(kill)
  }
  const ending = Promise.race([container.ended(), lost])
  const closed = ending.then(() => {
    watching.stop()
    pipes.ended()
  })
  const disk = watchDisk({ folders: [folder.folders.app, folder.folders.home], limits, pids: watching.pids })
  const { stdout, stderr } = pipes
  try {
    const supervised = await supervise({ stdout, stderr, closed, kill, terminate }, command, limits, [disk])
    const { code, isOutOfMemory } = await ending
    const { oomKills, peakMemoryBytes, refusedProcesses } = watching.usage()
    return exitOf({
      ...supervised,
      ...{ code, isLost: code === null, oomKills: Math.max(oomKills, isOutOfMemory ? 1 : 0) },
      ...{ isDiskFull: await disk.isFull(), peakMemoryBytes, refusedProcesses },
    })
  } finally {
    clearTimeout(giveUp)
    watching.stop()
  }
}

/** Runs one command in a new container over the folders of a run. */
export const runInContainer = async (run: ContainerRun): Promise<SandboxExit> => {
  const { id, engine, folder, command, log } = run
  const pipes = await openContainerPipes(join(folder.path, `pipes-${run.number}`), command.stdin)
  let container: StartedContainer | undefined
  const begunMs = performance.now()
  try {
    container = await engine.start(optionsOf(run, pipes), command.signal)
    return await attend(run, container, pipes)
  } catch (error) {
    if (container || !command.signal.aborted) throw error
    return neverBegun(performance.now() - begunMs)
  } finally {
    await container?.remove().catch((error: unknown) => {
      log.error({ sandbox: id, error }, 'a container cannot be removed')
    })
    await pipes.close().catch((error: unknown) => log.error({ sandbox: id, error }, 'pipes of a container are left'))
  }
}
