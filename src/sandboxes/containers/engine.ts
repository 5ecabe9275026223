import { once } from 'node:events'
import type Docker from 'dockerode'
import { AppError, messageOf } from '../../lib/errors.ts'
import { exhaustionRemedy } from '../../lib/exhaustion.ts'
import {
  answerWithin,
  beginContainer,
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

export interface EngineImage {
  id: string
  /** PATH of the image's environment. */
  path: string | undefined
  /** Volumes the image declares: folders that would be writable beside ours. */
  volumes: string[]
}

export interface FoundContainer {
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
const registryMs = 10_000
const progressMs = 1_000

/** Extracts the engine's own message from an error. */
const wordsOf = (error: unknown): string =>
  messageOf(error)
    .replace(/^\(HTTP code \d+\) [^-]*- /, '')
    .trim()
    .slice(0, 500)

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

/** Adds `:latest`: without a tag the engine would pull every tag. */
const withTag = (image: string): string => (/@|:[^/]*$/.test(image) ? image : `${image}:latest`)

const load = async (): Promise<typeof Docker> => {
  try {
    return (await import('dockerode')).default
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

/** Opens a client for the engine at a unix socket, without a first request. Requests time out after `withinMs`. */
export const openEngine = async (socket: string, withinMs = quickMs): Promise<ContainerEngine> => {
  const Client = await load()
  // All four options are set; otherwise DOCKER_HOST would override them.
  const docker = new Client({ socketPath: socket, protocol: 'http', host: undefined, port: undefined })

  const unavailable = (what: string, error: unknown): AppError => {
    const hint = remedyFor(error, socket)
    return new AppError('sandbox_unavailable', `${what}: ${wordsOf(error)}`, { ...(hint && { hint }), cause: error })
  }
  const asked = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    try {
      return await work()
    } catch (error) {
      throw error instanceof AppError ? error : unavailable(what, error)
    }
  }
  /** Calls Podman's own API, which offers more than the Docker-compatible one. */
  const ask = (path: string): Promise<unknown> =>
    new Promise((resolve, reject) => {
      docker.modem.dial({ path, method: 'GET', statusCodes: { 200: true } }, (error, answer) =>
        error ? reject(error) : resolve(answer),
      )
    })

  return {
    describe: () =>
      asked(`Nothing answers at ${socket}`, async () => {
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
      }),

    findImage: (name) =>
      asked(`The image ${name} cannot be inspected`, async () => {
        try {
          const { Id, Config } = await answerWithin(withinMs, docker.getImage(withTag(name)).inspect())
          const path = Config?.Env?.find((line) => line.startsWith('PATH='))?.slice('PATH='.length)
          return { id: Id, path, volumes: Object.keys(Config?.Volumes ?? {}) }
        } catch (error) {
          if ((error as StatusError).statusCode === 404) return undefined
          throw error
        }
      }),

    async whyNotFetched(name, { isPodman }) {
      const image = withTag(name)
      const asking = isPodman ? ask(`/v4.0.0/libpod/manifests/${image}/json`) : docker.getImage(image).distribution()
      try {
        await answerWithin(registryMs, asking)
        return undefined
      } catch (error) {
        const isAnswer = (error as StatusError).statusCode !== undefined && !/^(page )?not found$/i.test(wordsOf(error))
        return isAnswer ? wordsOf(error) : undefined
      }
    },

    async pull(name, onProgress, signal) {
      try {
        const stream = await docker.pull(withTag(name), signal ? { abortSignal: signal } : {})
        let told = Number.NEGATIVE_INFINITY
        await new Promise<void>((resolve, reject) => {
          docker.modem.followProgress(
            stream,
            (error) => (error ? reject(error) : resolve()),
            ({ status, progress, error }: { status?: string; progress?: string; error?: string }) => {
              if (error) return reject(new Error(error))
              if (!status || performance.now() - told < progressMs) return
              told = performance.now()
              onProgress([status, progress].filter(Boolean).join(' '))
            },
          )
        })
      } catch (error) {
        signal?.throwIfAborted()
        throw new AppError(
          'sandbox_unavailable',
          `The image ${name} is not on this machine and cannot be pulled: ${wordsOf(error)}`,
          {
            hint: 'Check its name and the connection to its registry, or load it beforehand (`docker load`, `podman load`).',
            cause: error,
          },
        )
      }
    },

    start: (options, signal) =>
      asked(couldNotStart, async () => {
        signal.throwIfAborted()
        const starting = beginContainer(docker, options, withinMs)
        const ended = new AbortController()
        const asked = once(signal, 'abort', { signal: ended.signal }).then(() => signal.throwIfAborted() as never)
        try {
          return await answerWithin(startMs, Promise.race([starting, asked]))
        } catch (error) {
          starting.then((late) => late.remove()).catch(() => {}) // the reaper finds what this leaves
          throw error
        } finally {
          asked.catch(() => {})
          ended.abort()
        }
      }),

    labelled: (label) =>
      asked('Containers cannot be listed', async () => {
        const found = await answerWithin(withinMs, docker.listContainers({ all: true, filters: { label: [label] } }))
        return found.map(({ Id, Labels }) => ({ id: Id, labels: Labels }))
      }),

    remove: (id) =>
      asked(`The container ${id} cannot be removed`, () =>
        answerWithin(withinMs, unlessGone(docker.getContainer(id).remove({ force: true, v: true }))),
      ),
  }
}
