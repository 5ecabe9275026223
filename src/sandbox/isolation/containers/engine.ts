import { once } from 'node:events'
import { createRequire } from 'node:module'
import type Docker from 'dockerode'
import { AppError, messageOf } from '../../../lib/errors.ts'
import { exhaustionRemedy } from '../../../lib/exhaustion.ts'
import { type EngineImage, findImage, pullImage, whyNotFetched } from './engine-images.ts'
import {
  answerWithin,
  beginContainer,
  engineMessage,
  type StartedContainer,
  type StatusError,
  unlessGone,
} from './started-container.ts'

/** Facts that an engine reports about itself. */
export interface EngineFacts {
  /** For example `Docker 27.3.1` or `Podman 5.4.2`. */
  version: string
  isPodman: boolean
  /** The engine runs as an ordinary user; root inside a container is that user outside. */
  isRootless: boolean
  /** User ids inside map to other ids outside, unless a container uses the host's namespace. */
  isRemapped: boolean
  hasSelinux: boolean
  limits: { memory: boolean; pids: boolean; cpu: boolean }
  cgroups: string
}

interface FoundContainer {
  id: string
  labels: Readonly<Record<string, string>>
}

/** Docker or Podman, reduced to what sandboxes need. Throws `sandbox_unavailable` when the engine does not answer. */
export interface ContainerEngine {
  describe(): Promise<EngineFacts>
  findImage(name: string): Promise<EngineImage | undefined>
  /**
   * Says why an image could not be fetched, in the registry's words; undefined when it could be or the reason is
   * unknown.
   */
  whyNotFetched(name: string, facts: Pick<EngineFacts, 'isPodman'>): Promise<string | undefined>
  /** Pulls an image from its registry and reports progress. */
  pull(name: string, onProgress: (line: string) => void, signal?: AbortSignal): Promise<void>
  /** Starts a container. When the signal fires, rejects, and removes the container even if it starts later. */
  start(options: Docker.ContainerCreateOptions, signal: AbortSignal): Promise<StartedContainer>
  /** Lists containers that have a label, in any state. */
  labelled(label: string): Promise<FoundContainer[]>
  remove(id: string): Promise<void>
}

/** Prefix of errors from starting a container. */
export const couldNotStart = 'The container could not be started'

const quickMs = 20_000
/** Time limit for starting a container on a busy host. */
const startMs = 120_000

const remedyFor = (error: unknown, socket: string): string | undefined => {
  const { code } = error as StatusError
  if (/catatonit|init binary/.test(messageOf(error)))
    return 'Podman has no init for its containers: install catatonit, by `apt-get install catatonit`.'
  if (code === 'EACCES' || code === 'EPERM')
    return `This user may not open ${socket}: add it to the group of the socket (\`usermod -aG docker USER\`), or use a rootless engine.`
  if (code === 'ENOENT' || code === 'ECONNREFUSED')
    return 'Start it: `systemctl start docker`, or `systemctl --user start podman.socket`; JETTY_SANDBOX_SOCKET names its socket.'
  return exhaustionRemedy(code ?? '')
}

const load = (): typeof Docker => {
  try {
    return createRequire(import.meta.url)('dockerode') as typeof Docker
  } catch (error) {
    throw new AppError(
      'sandbox_unavailable',
      'The package dockerode, the client of Docker and Podman, is not installed',
      {
        hint: 'Install the packages with `npm ci`.',
        cause: error,
      },
    )
  }
}

interface EngineClient {
  docker: Docker
  socket: string
  /** Timeout of a request. */
  withinMs: number
}

const unavailable = (what: string, { socket }: EngineClient, error: unknown): AppError => {
  const hint = remedyFor(error, socket)
  return new AppError('sandbox_unavailable', `${what}: ${engineMessage(error)}`, {
    ...(hint && { hint }),
    cause: error,
  })
}

/** Does some work of the engine; a failure becomes `sandbox_unavailable` with a message that begins with `what`. */
const asking = async <T>(what: string, client: EngineClient, work: () => Promise<T>): Promise<T> => {
  try {
    return await work()
  } catch (error) {
    throw error instanceof AppError ? error : unavailable(what, client, error)
  }
}

const describe = async ({ docker, withinMs }: EngineClient): Promise<EngineFacts> => {
  const [version, info] = await answerWithin(withinMs, Promise.all([docker.version(), docker.info()]))
  const podman = version.Components?.find(({ Name }) => /podman/i.test(Name))
  const options: string[] = info.SecurityOptions ?? []
  return {
    version: podman ? `Podman ${podman.Version}` : `Docker ${version.Version}`,
    isPodman: podman !== undefined,
    isRootless: options.some((option) => option.includes('name=rootless')),
    isRemapped: options.some((option) => option.includes('name=userns')),
    hasSelinux: options.some((option) => option.includes('name=selinux')),
    limits: {
      memory: Boolean(info.MemoryLimit),
      pids: Boolean(info.PidsLimit),
      cpu: Boolean(info.CpuCfsQuota ?? info.CPUCfsQuota),
    },
    cgroups: `cgroup v${info.CgroupVersion ?? '1'}`,
  }
}

const start = async (
  { docker, withinMs }: EngineClient,
  options: Docker.ContainerCreateOptions,
  signal: AbortSignal,
): Promise<StartedContainer> => {
  signal.throwIfAborted()
  const starting = beginContainer(docker, options, withinMs)
  const ended = new AbortController()
  const aborted = once(signal, 'abort', { signal: ended.signal }).then(() => signal.throwIfAborted() as never)
  try {
    return await answerWithin(startMs, Promise.race([starting, aborted]))
  } catch (error) {
    starting.then((late) => late.remove()).catch(() => {}) // the reaper finds what this leaves
    throw error
  } finally {
    aborted.catch(() => {})
    ended.abort()
  }
}

const labelled = async ({ docker, withinMs }: EngineClient, label: string): Promise<FoundContainer[]> => {
  const found = await answerWithin(withinMs, docker.listContainers({ all: true, filters: { label: [label] } }))
  return found.map(({ Id, Labels }) => ({ id: Id, labels: Labels }))
}

const remove = ({ docker, withinMs }: EngineClient, id: string): Promise<void> =>
  answerWithin(withinMs, unlessGone(docker.getContainer(id).remove({ force: true, v: true })))

/** Opens a client for the engine at a unix socket, without a first request. Requests time out after `withinMs`. */
export const openEngine = async (socket: string, withinMs = quickMs): Promise<ContainerEngine> => {
  const Client = load()
  // All four options are set; otherwise DOCKER_HOST would override them.
  const docker = new Client({ socketPath: socket, protocol: 'http', host: undefined, port: undefined })
  const client: EngineClient = { docker, socket, withinMs }
  return {
    describe: () => asking(`Nothing answers at ${socket}`, client, () => describe(client)),
    findImage: (name) =>
      asking(`The image ${name} cannot be inspected`, client, () => findImage(docker, name, withinMs)),
    whyNotFetched: (name, { isPodman }) => whyNotFetched(docker, name, isPodman),
    pull: (name, onProgress, signal) => pullImage(docker, name, onProgress, signal),
    start: (options, signal) => asking(couldNotStart, client, () => start(client, options, signal)),
    labelled: (label) => asking('Containers cannot be listed', client, () => labelled(client, label)),
    remove: (id) => asking(`The container ${id} cannot be removed`, client, () => remove(client, id)),
  }
}
