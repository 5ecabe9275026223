import { type JoinedText, makeJoinedText } from '../../lib/text/joined-text.ts'
import type { RunScript, ScriptHost } from '../../model/scripts/script-run.ts'
import type { ObjectStore } from '../../store/objects/objects.ts'
import type { Fenced } from '../journal/journal-sender.ts'
import type { Heartbeat } from '../leases/heartbeat.ts'
import type { HeldSlot } from '../steps/held-slot.ts'
import type { ModelRules } from '../steps/model-rules.ts'
import type { StepAtWork, StepDeps } from '../steps/step-at-work.ts'
import { makeStorageWait } from '../steps/storage-wait.ts'
import { type EventLogDeps, openEventLog } from './event-log.ts'
import { watchLease } from './runbook-clock.ts'
import { keepSandboxFile, openInput } from './sandbox-files.ts'
import { scrubbedFile } from './scrubbed-file.ts'

type Stream = 'stdout' | 'stderr'

interface OutputLog {
  add(stream: Stream, text: string): void
  /** Resolves when all that was recorded is on disk. Throws Fenced. */
  close(): Promise<void>
}

/** A script that ends sooner leaves no events: its outputs have what it printed, and most scripts are short. */
const firstMs = 500
const flushMs = 200
/** Maximum characters of one event. */
const longestText = 8 * 1024
/** Above so many waiting characters, as during an outage of Postgres, output is left out here; the outputs have its end. */
const mostWaiting = 1024 * 1024

/** Records what a script prints while it works, as events of its step. */
const makeOutputLog = (deps: EventLogDeps, work: StepAtWork, onFenced: (fenced: Fenced) => void): OutputLog => {
  let waiting: { stream: Stream; text: JoinedText }[] = []
  let waitingCharacters = 0
  let leftOut = 0
  let opening: ReturnType<typeof openEventLog> | undefined
  let timer: NodeJS.Timeout | undefined
  let isClosed = false

  const flush = async (): Promise<void> => {
    clearTimeout(timer)
    timer = undefined
    opening ??= openEventLog(deps, work, onFenced)
    const log = await opening
    const [parts, left] = [waiting, leftOut]
    waiting = []
    waitingCharacters = 0
    leftOut = 0
    for (const { stream, text } of parts) log.add({ type: 'output', stream, text: text.take() })
    if (left > 0) {
      const message = `Output left out, since it came faster than it could be written: ${left} characters`
      log.add({ type: 'warning', message })
    }
  }

  const keep = (stream: Stream, text: string): void => {
    waitingCharacters += text.length
    const last = waiting.at(-1)
    if (last?.stream === stream && last.text.length + text.length <= longestText) {
      last.text.add(text)
      return
    }
    const joined = makeJoinedText()
    joined.add(text)
    waiting.push({ stream, text: joined })
  }

  return {
    add(stream, text) {
      if (isClosed) return
      const isFull = waitingCharacters + text.length > mostWaiting
      if (isFull) leftOut += text.length
      else keep(stream, text)
      // A failure is thrown by `close`.
      timer ??= setTimeout(() => void flush().catch(() => {}), opening ? flushMs : firstMs)
    },
    async close() {
      isClosed = true
      clearTimeout(timer)
      if (!opening) return
      await flush()
      await (await opening).close()
    },
  }
}

interface ScriptDeps extends EventLogDeps {
  objects: ObjectStore
  rules: Pick<ModelRules, 'allowedHosts'>
  confirmLease: Heartbeat['confirm']
  runScript: RunScript
}

/** Makes the function that runs a script as one step of a run. It is killed once another process has the run. */
export const makeRunScriptFor =
  (deps: ScriptDeps): StepDeps['runScriptFor'] =>
  (work, held, attempt, signal) =>
  async (request) => {
    const stop = new AbortController()
    let fenced: Fenced | undefined
    const leave = (error: Fenced) => {
      fenced ??= error
      stop.abort()
    }
    const watch = watchLease(deps, work.lease, leave)
    const log = makeOutputLog(deps, work, leave)
    try {
      const over = AbortSignal.any([signal(), stop.signal])
      const outcome = await deps.runScript(request, { ...hostOf(deps, work, held, attempt, over), printed: log.add })
      await log.close() // before the step is recorded
      if (fenced) throw fenced
      return outcome
    } catch (error) {
      throw fenced ?? error
    } finally {
      watch.end()
      await log.close().catch(() => {}) // its error, if any, is thrown already
    }
  }

const hostOf = (
  deps: ScriptDeps,
  work: StepAtWork,
  held: HeldSlot,
  attempt: number,
  signal: AbortSignal,
): Omit<ScriptHost, 'printed'> => {
  const { run, place } = work
  const { scrub } = run.environment
  const onceStored = makeStorageWait(work, held, () => signal)
  return {
    id: `${run.trajectoryId}-${place.seq}`,
    owner: run,
    allowedHosts: () => deps.rules.allowedHosts(run.collectionId),
    openFile: (path) => openInput(deps, work, path, onceStored),
    keep: (file, keepAs) => keepSandboxFile(deps, work, { attempt, onceStored }, file, keepAs),
    scrub: scrub.text,
    scrubStream: () => scrub.bytes(),
    scrubFile: (file) => scrubbedFile(file, scrub),
    waiting() {
      held.give()
      return async () => void (await held.take())
    },
    signal,
  }
}
