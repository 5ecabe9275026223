import type { RunScript, ScriptHost } from '../../model/scripts/script-run.ts'
import type { ObjectStore } from '../../store/objects/objects.ts'
import type { Fenced } from '../journal/journal-sender.ts'
import type { Heartbeat } from '../leases/heartbeat.ts'
import type { HeldSlot } from '../steps/held-slot.ts'
import type { ModelRules } from '../steps/model-rules.ts'
import type { StepAtWork, StepDeps } from '../steps/step-at-work.ts'
import { makeStorageWait } from '../steps/storage-wait.ts'
import type { EventLogDeps } from './event-log.ts'
import { watchLease } from './lease-watch.ts'
import { makeOutputLog } from './output-log.ts'
import { keepSandboxFile, openInput } from './sandbox-files.ts'
import { scrubbedFile } from './scrubbed-file.ts'

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
