import { chmodSync, closeSync, constants, mkdirSync, openSync, readdirSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { Socket } from 'node:net'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import type { Logger } from '../../../lib/log.ts'
import { inside } from '../../../model/runbooks/sandbox.ts'
import { exitOf, neverBegun } from '../exit-of.ts'
import { counted, numberIn, ownGroups, pidsIn, read } from '../limits/control-groups.ts'
import { watchDisk } from '../limits/disk-watch.ts'
import { supervise } from '../limits/supervise.ts'
import { makeNamedPipes } from '../programs/command-pipes.ts'
import { mostOpenFiles } from '../programs/launch-script.ts'
import { systemPath, toolsFolder } from '../programs/run-tool.ts'
import type { RunFolder } from '../run-folder.ts'
import type { SandboxCommand, SandboxExit, SandboxLimits } from '../sandbox.ts'
import type { CommandTurn } from '../sandbox-life.ts'
import type { ContainerEngine, EngineFacts } from './engine.ts'
import type { EngineImage } from './engine-images.ts'
import type { ContainerEnd, StartedContainer } from './started-container.ts'

/** Standard input and outputs of a command in a container: a folder of named pipes, mounted read-only. */
interface ContainerPipes {
  folder: string
  stdout: Readable
  stderr: Readable
  /** Call when no writer is left: the outputs end once they are drained. */
  ended(): void
  close(): Promise<void>
}

/** Mount point of that folder inside. */
const pipesInside = '/run/command'

/**
 * Shell script that starts a command on its pipes, after a watcher that kills everything once the server is gone: the
 * pipe `alive` ends when nobody holds it open for writing, and only the server does. The watcher is orphaned on
 * purpose, so that no command waits for it.
 */
const pipeScript = [
  `( ( read -r _ < ${pipesInside}/alive; kill -9 -1 ) > /dev/null 2>&1 & ) < /dev/null`,
  `exec "$@" < ${pipesInside}/in > ${pipesInside}/out 2> ${pipesInside}/err`,
].join('\n')

/** Opens the pipes. The engines' own attached streams neither hold back a fast writer nor close a finished input. */
const openContainerPipes = async (folder: string, stdin: string | undefined): Promise<ContainerPipes> => {
  const path = (name: string) => join(folder, name)
  const streams: Socket[] = []
  const writing: number[] = []
  const ended = () => {
    for (const descriptor of writing.splice(0)) closeSync(descriptor)
  }
  const close = async () => {
    ended()
    for (const stream of streams) stream.destroy()
    await rm(folder, { recursive: true, force: true })
  }
  /** Opens the reading end, and a writing end that keeps it open until the command starts to write. */
  const openPipe = (name: string): Socket => {
    const fd = openSync(path(name), constants.O_RDONLY | constants.O_NONBLOCK)
    const stream = new Socket({ fd, readable: true, writable: false })
    streams.push(stream)
    writing.push(openSync(path(name), constants.O_WRONLY))
    return stream
  }

  mkdirSync(folder, { mode: 0o755 })
  try {
    chmodSync(folder, 0o755) // independent of the umask
    await makeNamedPipes('622', [path('out'), path('err'), path('alive')])
    writeFileSync(path('in'), stdin ?? '', { mode: 0o444, flag: 'wx' })
    chmodSync(path('in'), 0o444)
    writing.push(openSync(path('alive'), constants.O_RDWR | constants.O_NONBLOCK))
    chmodSync(path('alive'), 0o444)
    return { folder, stdout: openPipe('out'), stderr: openPipe('err'), ended, close }
  } catch (error) {
    await close().catch(() => {}) // the sandbox's removal takes the rest
    throw error
  }
}

/** Usage as counted by the control group of a container. */
interface GroupUsage {
  peakMemoryBytes: number | null
  oomKills: number
  refusedProcesses: number | null
}

/** Poll interval; a container that ends stays visible for about 50 ms. */
const everyMs = 20
const mount = '/sys/fs/cgroup'

const most = (one: number | null, other: number | null): number | null =>
  one === null || other === null ? (one ?? other) : Math.max(one, other)

/**
 * Polls the control group of a container while it exists, since its counters vanish with it. Reports nothing when the
 * engine runs on another host or behind a closed folder: the group is recognized by the container's id in its name,
 * because the same process id may belong to somebody else here.
 */
const watchUsage = ({
  id,
  pid,
}: Pick<StartedContainer, 'id' | 'pid'>): { usage(): GroupUsage; pids(): number[]; stop(): void } => {
  const groups = pid > 0 ? ownGroups(read(`/proc/${pid}/cgroup`) ?? '') : new Map<string, string>()
  const folderOf = (controller: string): string | undefined => {
    const own = groups.get(controller)
    const whole = groups.get('')
    if (own?.includes(id)) return join(mount, controller, own)
    return whole?.includes(id) ? join(mount, whole) : undefined
  }
  const memory = folderOf('memory')
  const pids = folderOf('pids')
  let seen: GroupUsage = { peakMemoryBytes: null, oomKills: 0, refusedProcesses: null }
  const look = () => {
    if (memory !== undefined) {
      const peak = numberIn(join(memory, 'memory.max_usage_in_bytes')) ?? numberIn(join(memory, 'memory.peak'))
      const kills = counted(join(memory, 'memory.oom_control'), 'oom_kill')
      const killsNow = counted(join(memory, 'memory.events'), 'oom_kill')
      seen = {
        ...seen,
        peakMemoryBytes: most(seen.peakMemoryBytes, peak),
        oomKills: Math.max(seen.oomKills, kills, killsNow),
      }
    }
    const events = pids === undefined ? undefined : join(pids, 'pids.events')
    if (events !== undefined && read(events) !== undefined)
      seen = { ...seen, refusedProcesses: most(seen.refusedProcesses, counted(events, 'max')) }
  }
  look()
  const timer = setInterval(look, everyMs)
  return {
    usage: () => seen,
    /** Process ids alive in the container. */
    pids: () => (pids === undefined ? [] : pidsIn(pids)),
    stop: () => clearInterval(timer),
  }
}

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
