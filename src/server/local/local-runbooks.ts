/** Runbooks on this machine without a server: no database and no port, but the same network guard and models. */

import { scrubbedFile } from '../../engine/runbooks/scrubbed-file.ts'
import type { Logger } from '../../lib/log.ts'
import { makeScrubber } from '../../lib/secrets/scrub.ts'
import type { Secret } from '../../lib/secrets/secret-finder.ts'
import type { Settings } from '../../lib/settings/config.ts'
import type { RunbookRequest } from '../../model/runbooks/runbook-request.ts'
import type { PreflightRunbook, RunbookHost, RunbookOutcome } from '../../model/runbooks/runbook-run.ts'
import { callWithFallback } from '../../providers/fallback.ts'
import { readLentKeys } from '../../providers/lent-keys.ts'
import { prepareDataFolder } from '../../store/database/data-folder.ts'
import { modelsFromSettings } from '../models-from-settings.ts'
import { makeRunbookRunner } from '../runbook-runner.ts'

/** The parts that the command provides. Models, keys and redaction are added here. */
interface LocalHost extends Pick<RunbookHost, 'id' | 'secretParams' | 'openFile' | 'keep' | 'tell' | 'signal'> {
  /** Values of variables by their names. */
  env(name: string): string | undefined
  /** Values that are struck out of all events and results. */
  secrets: readonly Secret[]
}

export interface LocalRunbooks {
  preflight: PreflightRunbook
  carryOut(request: RunbookRequest, host: LocalHost): Promise<RunbookOutcome>
  /** Kills running agents and removes their sandboxes. */
  close(): Promise<void>
}

export const openLocalRunbooks = async (settings: Settings, log: Logger): Promise<LocalRunbooks> => {
  const models = modelsFromSettings(
    settings,
    readLentKeys([], () => undefined),
    [],
  )
  const chat = callWithFallback(models.call, settings.modelFallbackSeconds)
  const dataDir = prepareDataFolder(settings.dataDir)
  const runner = await makeRunbookRunner({ settings, dataDir, models, log })
  // Sandboxes of a process that was killed. If no container engine answers, the preflight says so.
  await runner.reap().catch((error) => log.warn({ err: error }, 'sandboxes that were left behind cannot be removed'))
  return {
    preflight: runner.preflight,
    close: () => runner.close(),
    carryOut: (request, { env, secrets, ...host }) => {
      const scrub = makeScrubber(secrets)
      const caller = { env }
      return runner.carryOut(request, {
        ...host,
        owner: { payer: 'local', collectionId: 0 },
        caller,
        paid: async () => {},
        chat: (asked, options) => chat(asked, { ...caller, signal: host.signal }, options),
        scrub: scrub.text,
        scrubFile: (file) => scrubbedFile(file, scrub),
        isRepeated: false,
      })
    },
  }
}
