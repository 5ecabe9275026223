import { readdirSync, readFileSync } from 'node:fs'
import { mkdir, readdir, symlink } from 'node:fs/promises'
import { constants } from 'node:os'
import { join } from 'node:path'
import { AppError, messageOf } from '../../lib/errors.ts'
import { asExhausted, isExhausted } from '../../lib/exhaustion.ts'
import { statOf } from '../../lib/living-process.ts'
import type { Logger } from '../../lib/log.ts'
import { pause } from '../../lib/time.ts'
import { inside } from '../../model/runbooks/sandbox.ts'
import { exitOf, neverBegun } from './exit-of.ts'
import { chooseGroups } from './limits/choose-groups.ts'
import type { ControlGroups } from './limits/control-groups.ts'
import { signalAll, tasksOf } from './limits/process-tree.ts'
import { superviseProcesses } from './limits/supervise-processes.ts'
import { probeTools } from './probe-tools.ts'
import { endHeldOutputs, openCommandPipes } from './programs/command-pipes.ts'
import { launchScript, launchShell } from './programs/launch-script.ts'
import { isCollected, toolsFolder } from './programs/run-tool.ts'
import { makeRunFolder } from './run-folder.ts'
import type { LimitMechanisms, SandboxExit, SandboxPlaces, SandboxProvider } from './sandbox.ts'
import { type CommandTurn, liveSandbox, reapFolders, type SandboxLife } from './sandbox-life.ts'

/** Environment variable that identifies everything a plain process has started, even when its parents are gone. */
export const markVariable = 'JETTY_SANDBOX_ID'

/** Value of the variable for one command of a sandbox. */
export const markOf = (id: string, number: number): string => `${id}.${number}`

/** Lists all process ids; undefined when descriptors run out. */
const listed = (): number[] | undefined => {
  try {
    return readdirSync('/proc').map(Number).filter(Number.isInteger)
  } catch (error) {
    return isExhausted(error) ? undefined : [] // a system without /proc
  }
}

const threadsOf = (pid: number): string[] => {
  try {
    return readdirSync(`/proc/${pid}/task`)
  } catch (error) {
    if (isExhausted(error)) throw error
    return [] // the process has ended
  }
}

/** Reads the environment of a process; '' when it has none yet. Throws when it may not be read. */
const shown = (path: string): string => {
  try {
    return readFileSync(`${path}/environ`, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ESRCH') return ''
    throw error
  }
}

const exiting = 0x4
const ofTheKernel = 0x0020_0000

/**
 * Whether a process without a readable environment may show one later: during `exec` there is none between the old
 * program and the new. A kernel thread shows that it never has one.
 */
const mayShowOne = (pid: number): boolean => {
  const stat = statOf(pid, true)
  if (!stat) return false
  const [state = '', flags, from, to] = [stat[0], Number(stat[6]), stat[47], stat[48]]
  return !(/[ZX]/.test(state) || flags & (exiting | ofTheKernel) || (from === to && to !== '0'))
}

/** Whether the environment of a process carries the mark; undefined when unknown for now. */
const isMarked = (pid: number, variable: string): boolean | undefined => {
  try {
    let text = shown(`/proc/${pid}`)
    // When the main thread has ended, only the other threads show the environment.
    for (const thread of text === '' ? threadsOf(pid) : []) text ||= shown(`/proc/${pid}/task/${thread}`)
    if (text === '') return mayShowOne(pid) ? undefined : false
    return text.split('\0').some((entry) => entry === variable || entry.startsWith(`${variable}.`))
  } catch (error) {
    return isExhausted(error) ? undefined : false // the process of another user
  }
}

const variableOf = (mark: string): string => `${markVariable}=${mark}`

/**
 * Finds processes that carry the mark of a command, or of any command of a sandbox when its id is given. A process that
 * removed the variable from its environment is not found.
 */
export const processesMarked = (mark: string): number[] =>
  (listed() ?? []).filter((pid) => isMarked(pid, variableOf(mark)))

const looksAtOnce = 50
const pauseMs = 10
// Counted in pauses, not in seconds: the host may be suspended.
/** Pauses after which a process counts as unkillable. */
const mostPauses = 500
/** Pauses after which a process in doubt counts as unmarked. */
const unclearPauses = 200

/**
 * Kills every process with a mark, until a full pass finds none: new ones may appear during a pass. `beside` returns
 * further process ids that belong to the command by other evidence.
 */
export const killMarked = async (mark: string, beside: () => number[] = () => []): Promise<void> => {
  const variable = variableOf(mark)
  const others = new Set<number>()
  const killed = new Set<number>()
  let unclear = 0
  for (let looks = 1, pauses = 0; pauses < mostPauses; looks++) {
    const left = listed()?.filter((pid) => !others.has(pid))
    const killedBefore = killed.size
    let isUnclear = left === undefined
    let found = 0
    const kill = (pid: number) => {
      found++
      killed.add(pid)
      signalAll([pid], 'SIGKILL')
    }
    for (const pid of left ?? []) {
      const marked = isMarked(pid, variable)
      if (marked) kill(pid)
      else if (marked === false) others.add(pid)
      else isUnclear = true
    }
    for (const pid of beside()) kill(pid)
    if (found === 0 && left?.length === 0) return
    const isWaiting = isUnclear || (found > 0 && killed.size === killedBefore)
    if (!isWaiting && looks % looksAtOnce !== 0) continue
    unclear = isUnclear && found === 0 ? unclear + 1 : 0
    if (unclear > unclearPauses) return
    await pause(pauseMs)
    pauses++
  }
}

interface ProcessProviderOptions {
  /** Folder in which run folders are created. */
  parent: string
  log: Logger
}

type ProcessRun = CommandTurn & Pick<SandboxLife, 'id' | 'folder' | 'places' | 'limits' | 'groups'>

const insidePath = /(?<![\w./-])\/(app|home\/agent|opt\/jetty|opt\/agent)(?![\w.-])/g

/** Replaces sandbox paths in a text by the real paths of this host. */
export const placed = (text: string, places: SandboxPlaces): string => {
  const of = { app: places.app, 'home/agent': places.home, 'opt/jetty': places.tools, 'opt/agent': places.agent }
  return text.replace(insidePath, (_path, name: keyof typeof of) => of[name])
}

const envOf = ({ id, number, places, command }: ProcessRun): Record<string, string> => ({
  PATH: `${process.env.PATH ?? ''}:${places.tools}`,
  HOME: places.home,
  LANG: 'C.UTF-8',
  ...Object.fromEntries(Object.entries(command.env).map(([name, value]) => [name, placed(value, places)])),
  [markVariable]: markOf(id, number),
})

const argvOf = ({ folder, places, command }: ProcessRun): string[] => {
  const argv = command.argv.map((word) => placed(word, places))
  if (command.network === 'none') return argv // the probe reports that a plain process keeps its network
  const socket = join(folder.folders.gateway, 'gateway.sock')
  return [process.execPath, join(toolsFolder, 'bridge.mjs'), '--socket', socket, '--port', '0', '--', ...argv]
}

/**
 * The user id when it is not root: the kernel limits the processes of ordinary users, which replaces a control group.
 */
const ordinaryUser = (): number | undefined => process.getuid?.() || undefined

const userProcesses = ({ groups, limits }: ProcessRun): number | undefined => {
  const uid = ordinaryUser()
  if (groups?.mechanisms.pids !== undefined || uid === undefined) return undefined
  const already = tasksOf(uid)
  return already === undefined ? undefined : already + limits.pids
}

const runProcess = async (run: ProcessRun): Promise<SandboxExit> => {
  const { id, folder, places, limits, group, command } = run
  const stdin = command.stdin === undefined ? undefined : placed(command.stdin, places)
  const script = launchScript({
    limits,
    joins: group?.joins ?? [],
    mounts: [],
    userProcesses: userProcesses(run),
    argv: argvOf(run),
  })
  const pipes = await openCommandPipes(join(folder.path, `pipes-${run.number}`), stdin, undefined)
  if (command.signal.aborted) {
    pipes.discard()
    return neverBegun(0)
  }
  const child = await pipes.start([...(group?.launcher ?? []), ...launchShell, script], {
    stdio: pipes.descriptors,
    cwd: placed(command.cwd ?? inside.app, places),
    env: envOf(run),
    detached: true,
  })
  pipes.status.stream.destroy() // a plain process has no status channel
  const mark = markOf(id, run.number)
  const inGroup = () => group?.pids() ?? []
  /** The started process itself, until its mark or group can be looked up. */
  const itself = () => (child.pid === undefined || isCollected(child) ? [] : [child.pid])
  const everything = () => [...new Set([...itself(), ...inGroup(), ...processesMarked(mark)])]
  const kill = () => {
    child.kill('SIGKILL')
    return killMarked(mark, inGroup)
  }
  const { stdout, stderr } = pipes
  const exited = new Promise<void>((resolve, reject) => child.once('error', reject).once('exit', () => resolve()))
  // background processes would hold the pipes open
  const closed = exited.then(kill).then(() => endHeldOutputs([stdout, stderr]))
  group?.started(child.pid ?? 0)
  const ended = await superviseProcesses({ ...run, everything, stdout, stderr, closed, kill })
  return exitOf({ ...ended, code: codeOf(child.exitCode, child.signalCode), isLost: false })
}

const nothing: LimitMechanisms = { memory: undefined, pids: undefined, cpu: undefined, disk: undefined }

const codeOf = (code: number | null, signal: NodeJS.Signals | null): number | null =>
  code ?? (signal === null ? null : 128 + constants.signals[signal])

/** Creates a folder with Node, the bridge and the other tools, as a sandbox has it. */
const makeTools = async (folder: string): Promise<string> => {
  const tools = join(folder, 'tools')
  await mkdir(tools)
  for (const name of await readdir(toolsFolder)) await symlink(join(toolsFolder, name), join(tools, name))
  await symlink(process.execPath, join(tools, 'node'))
  return tools
}

/**
 * No isolation, for hosts where no sandbox is possible: a process of the server's user in a folder of its own. Limits
 * are enforced as far as possible; reads, writes and network are not restricted.
 */
export const processProvider = ({ parent, log }: ProcessProviderOptions): SandboxProvider => {
  let choosing: Promise<ControlGroups | undefined> | undefined
  const chosenGroups = () => {
    choosing ??= chooseGroups()
    choosing.catch(() => {
      choosing = undefined // unknown for now: ask again next time
    })
    return choosing
  }

  const make: SandboxProvider['create'] = async ({ id, image, limits, agentFolder }) => {
    if (image !== undefined) {
      throw new AppError('sandbox_unavailable', `A plain process cannot run the image ${image}`, {
        hint: 'Set JETTY_SANDBOX=docker or podman.',
      })
    }
    const groups = await chosenGroups()
    const folder = await makeRunFolder({ parent, id })
    const { app, home } = folder.folders
    const tools = await makeTools(folder.path).catch(async (error) => {
      await folder.remove().catch(() => {}) // the reaper removes it later
      throw error
    })
    const places: SandboxPlaces = {
      ...{ app, home, agent: agentFolder ?? join(folder.path, 'no-agent'), tools },
      ...{ runbook: join(app, 'RUNBOOK.md'), results: join(app, 'results') },
      ...{ assets: join(app, 'assets'), uploads: join(app, 'uploads') },
    }
    const sandbox = liveSandbox({
      ...{ id, folder, places, limits, groups, log },
      carryOut: (turn) => runProcess({ ...turn, id, folder, places, limits, groups }),
      release() {},
    })
    /** Translates a host path back to the path inside. */
    const insideOf = (path: string) => {
      if (path.startsWith(`${app}/`)) return inside.app + path.slice(app.length)
      return path.startsWith(`${home}/`) ? inside.home + path.slice(home.length) : path
    }
    return {
      ...sandbox,
      put: (path, body, mode) =>
        sandbox.put(insideOf(path), typeof body === 'string' ? placed(body, places) : body, mode),
    }
  }

  const create: SandboxProvider['create'] = (spec) =>
    make(spec).catch((error) => {
      throw asExhausted(error, 'Sandboxes are not available')
    })

  return {
    name: 'process',
    create,
    async probe(signal) {
      try {
        const tools = await probeTools(create, { signal })
        const groups = await chosenGroups()
        return {
          works: true,
          found: 'no isolation: agents are ordinary processes with all rights of this user',
          mechanisms: {
            memory: groups?.mechanisms.memory ?? 'watched',
            pids: groups?.mechanisms.pids ?? (ordinaryUser() === undefined ? undefined : 'rlimit'),
            cpu: groups?.mechanisms.cpu,
            disk: 'watched',
          },
          tools,
        }
      } catch (error) {
        return {
          works: false,
          found: messageOf(error),
          remedy: 'Set JETTY_SANDBOX=bubblewrap.',
          mechanisms: nothing,
          tools: {},
        }
      }
    },
    reap: async () => reapFolders(parent, await chosenGroups(), log, killMarked),
  }
}
