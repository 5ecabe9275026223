import type Docker from 'dockerode'
import { AppError } from '../../../lib/errors.ts'
import { answerWithin, engineMessage, type StatusError } from './started-container.ts'

export interface EngineImage {
  id: string
  /** PATH of the image's environment. */
  path: string | undefined
  /** Volumes the image declares: folders that would be writable beside ours. */
  volumes: string[]
}

const registryMs = 10_000
const progressMs = 1_000

/** Adds `:latest`: without a tag the engine would pull every tag. */
const withTag = (image: string): string => (/@|:[^/]*$/.test(image) ? image : `${image}:latest`)

/** Looks an image up on this machine. */
export const findImage = async (docker: Docker, name: string, withinMs: number): Promise<EngineImage | undefined> => {
  try {
    const { Id, Config } = await answerWithin(withinMs, docker.getImage(withTag(name)).inspect())
    const path = Config?.Env?.find((line) => line.startsWith('PATH='))?.slice('PATH='.length)
    return { id: Id, path, volumes: Object.keys(Config?.Volumes ?? {}) }
  } catch (error) {
    if ((error as StatusError).statusCode === 404) return undefined
    throw error
  }
}

/** Calls Podman's own API, which offers more than the Docker-compatible one. */
const askPodman = (docker: Docker, path: string): Promise<unknown> =>
  new Promise((resolve, reject) => {
    docker.modem.dial({ path, method: 'GET', statusCodes: { 200: true } }, (error, answer) =>
      error ? reject(error) : resolve(answer),
    )
  })

/** Asks the registry why an image could not be fetched; undefined when it could be or the reason is unknown. */
export const whyNotFetched = async (docker: Docker, name: string, isPodman: boolean): Promise<string | undefined> => {
  const image = withTag(name)
  const inspecting = isPodman
    ? askPodman(docker, `/v4.0.0/libpod/manifests/${image}/json`)
    : docker.getImage(image).distribution()
  try {
    await answerWithin(registryMs, inspecting)
    return undefined
  } catch (error) {
    const isAnswer =
      (error as StatusError).statusCode !== undefined && !/^(page )?not found$/i.test(engineMessage(error))
    return isAnswer ? engineMessage(error) : undefined
  }
}

interface PullProgress {
  status?: string
  progress?: string
  error?: string
}

/** Follows a pull to its end, and reports its progress once a second. */
const followPull = (
  docker: Docker,
  stream: NodeJS.ReadableStream,
  onProgress: (line: string) => void,
): Promise<void> => {
  let reportedMs = Number.NEGATIVE_INFINITY
  return new Promise((resolve, reject) => {
    docker.modem.followProgress(
      stream,
      (error) => (error ? reject(error) : resolve()),
      ({ status, progress, error }: PullProgress) => {
        if (error) return reject(new Error(error))
        if (!status || performance.now() - reportedMs < progressMs) return
        reportedMs = performance.now()
        onProgress([status, progress].filter(Boolean).join(' '))
      },
    )
  })
}

/** Pulls an image from its registry. */
export const pullImage = async (
  docker: Docker,
  name: string,
  onProgress: (line: string) => void,
  signal: AbortSignal | undefined,
): Promise<void> => {
  try {
    const stream = await docker.pull(withTag(name), signal ? { abortSignal: signal } : {})
    await followPull(docker, stream, onProgress)
  } catch (error) {
    signal?.throwIfAborted()
    throw new AppError(
      'sandbox_unavailable',
      `The image ${name} is not on this machine and cannot be pulled: ${engineMessage(error)}`,
      {
        hint: 'Check its name and the connection to its registry, or load it beforehand (`docker load`, `podman load`).',
        cause: error,
      },
    )
  }
}
