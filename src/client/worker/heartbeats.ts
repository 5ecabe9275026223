import type { WorkContext } from '../../activities/own/own-activity.ts'
import { pause } from '../../lib/time.ts'
import type { JobHeartbeat, JobLogLine } from '../../model/workers/worker-job.ts'
import { isGone, isWorthRepeating } from './connection.ts'

/** Lines of one call, as the protocol limits them. */
const linesPerCall = 100
/** Lines that wait while the server does not answer; the oldest are dropped. */
const mostLines = 1_000
/** News are sent this soon, and not more often. */
const newsMs = 1_000
const longestText = { line: 10_000, message: 1_000 }

/** A text that the server accepts: of a limited length, and without NUL, which it cannot store. */
export const sendableText = (text: string, longest: number): string => text.replaceAll('\0', '\ufffd').slice(0, longest)

/** Why a job ends before its activity has: someone cancelled it, or another worker has it. */
export type JobLoss = 'cancelled' | 'lost'

interface HeartbeatOptions {
  epoch: number
  everyMs: number
  send(body: JobHeartbeat): Promise<{ cancelled: boolean }>
  onLoss(loss: JobLoss): void
}

export interface Heartbeats extends Pick<WorkContext, 'progress' | 'log'> {
  /** The lines that were not sent yet, for the call that settles the job. */
  takeLines(): JobLogLine[]
  stop(): void
}

/** Keeps the lease of a job until it is stopped, and sends progress and lines with it. */
export const startHeartbeats = ({ epoch, everyMs, send, onLoss }: HeartbeatOptions): Heartbeats => {
  const stopped = new AbortController()
  const lines: JobLogLine[] = []
  let progress: number | null = null
  let message: string | null = null
  let news = new AbortController()
  const hasNews = () => news.abort()
  const takeLines = () => lines.splice(0, linesPerCall)

  const beat = async (): Promise<void> => {
    news = new AbortController()
    const logs = takeLines()
    try {
      const { cancelled } = await send({ epoch, progress, message, logs })
      if (cancelled) onLoss('cancelled')
    } catch (error) {
      if (isWorthRepeating(error)) lines.unshift(...logs) // lines that are refused must not cost the lease
      if (isGone(error)) onLoss('lost')
      // Anything else passes or shows when the job is settled: the next heartbeat tries again.
    }
  }

  const keepOn = async (): Promise<void> => {
    while (!stopped.signal.aborted) {
      await pause(Math.min(newsMs, everyMs), stopped.signal)
      await pause(Math.max(everyMs - newsMs, 0), AbortSignal.any([stopped.signal, news.signal]))
      if (!stopped.signal.aborted) await beat()
    }
  }
  void keepOn()

  return {
    progress(done, text) {
      progress = Number.isFinite(done) ? Math.min(Math.max(done, 0), 1) : null
      message = text === undefined ? null : sendableText(text, longestText.message)
      hasNews()
    },
    log(text, level = 'info') {
      lines.push({ level, message: sendableText(text, longestText.line) })
      if (lines.length > mostLines) lines.shift()
      hasNews()
    },
    takeLines: () => lines.splice(-linesPerCall),
    stop: () => stopped.abort(),
  }
}
