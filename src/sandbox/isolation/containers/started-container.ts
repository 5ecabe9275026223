import type Docker from 'dockerode'
import { messageOf } from '../../../lib/errors.ts'
import { pause } from '../../../lib/time.ts'

export interface ContainerEnd {
  /** Exit code as a shell reports it; null when unknown. */
  code: number | null
  isOutOfMemory: boolean
}

export interface StartedContainer {
  id: string
  /** Process id on this host, where the engine runs on it. */
  pid: number
  /** Resolves when the container has ended. */
  ended(): Promise<ContainerEnd>
  /** Sends SIGTERM to every process in the container. */
  terminate(): Promise<void>
  kill(): Promise<void>
  remove(): Promise<void>
}

/** An error of the engine's client, with the HTTP status of the engine's answer. */
export type StatusError = Error & { statusCode?: number; code?: string; reason?: string }

/** Extracts the message of Docker or Podman from an error of its client. */
export const engineMessage = (error: unknown): string =>
  messageOf(error)
    .replace(/^\(HTTP code \d+\) [^-]*- /, '')
    .trim()
    .slice(0, 500)

/** How often an interrupted wait is repeated; the pauses outlast a restart of the engine. */
const mostTurns = 120
const turnMs = 250

/** Rejects when the engine does not answer in time. */
export const answerWithin = <T>(ms: number, work: Promise<T>): Promise<T> => {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms / 1000} s`)), ms)
  })
  return Promise.race([work, late]).finally(() => clearTimeout(timer))
}

const isGone = (error: unknown): boolean => [304, 404, 409].includes((error as StatusError).statusCode ?? 0)

/** Ignores errors that say the container is already stopped or gone. */
export const unlessGone = async (work: Promise<unknown>): Promise<void> => {
  try {
    await work
  } catch (error) {
    if (!isGone(error)) throw error
  }
}

const handleOf = (container: Docker.Container, pid: number, ms: number): StartedContainer => ({
  id: container.id,
  pid,
  async ended() {
    // Both engines may break off the wait, for example when they restart: ask for the state again once they are back.
    for (let turn = 0; turn < mostTurns; turn += 1) {
      await container.wait().catch(() => undefined)
      const state = await container.inspect().then(
        (found) => found.State,
        (error: StatusError) => (error.statusCode === 404 ? null : undefined),
      )
      if (state === null) break
      if (state && !state.Running) return { code: state.ExitCode, isOutOfMemory: state.OOMKilled }
      await pause(turnMs)
    }
    return { code: null, isOutOfMemory: false }
  },
  async terminate() {
    try {
      const words = await container.exec({ Cmd: ['/bin/sh', '-c', 'kill -TERM -1'] })
      await answerWithin(ms, words.start({ Detach: true }))
    } catch {
      await unlessGone(container.kill({ signal: 'SIGTERM' }))
    }
  },
  kill: () => answerWithin(ms, unlessGone(container.kill({ signal: 'SIGKILL' }))),
  remove: () => answerWithin(ms, unlessGone(container.remove({ force: true, v: true }))),
})

/** Creates a container and starts it; removes it again where it does not start. Requests time out after `ms`. */
export const beginContainer = async (
  docker: Docker,
  options: Docker.ContainerCreateOptions,
  ms: number,
): Promise<StartedContainer> => {
  const container = await docker.createContainer(options)
  try {
    await container.start()
    const { State } = await container.inspect()
    return handleOf(container, State.Pid, ms)
  } catch (error) {
    await container.remove({ force: true, v: true }).catch(() => {})
    throw error
  }
}
