/** Reports at the server's start whether runbooks can run here, not only with the first runbook. */

import { messageOf } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import { confinement } from '../../lib/processes/confinement.ts'
import type { Settings } from '../../lib/settings/config.ts'
import type { MachineCheck } from '../../server/local/machine-checks.ts'

/** Probes a sandbox; undefined for a server that runs no steps. */
export const lookAtSandbox = async (settings: Settings, signal?: AbortSignal): Promise<MachineCheck | undefined> => {
  if (settings.role === 'api') return undefined
  const { checkSandbox } = await import('../../server/local/machine-checks.ts')
  return checkSandbox(settings, signal)
}

const warnOfConfinement = async (log: Logger): Promise<void> => {
  const { kind, found, remedy } = await confinement()
  if (kind === 'bubblewrap') return
  log.warn({ confined: found, remedy }, 'processes that read what tenants write are not fully confined')
}

/**
 * A look starts 25 programs, which take 150 ms of a processor. In the first seconds a server has runs to resume and
 * requests that waited for it, or is stopped again.
 */
const laterMs = 10_000

/** Probes a sandbox a little later and logs the result in one line. `stop` ends a probe under way. */
export const lookLater = (settings: Settings, log: Logger, probe = lookAtSandbox): { stop(): Promise<void> } => {
  const stop = new AbortController()
  let looking: Promise<void> | undefined
  const look = async (): Promise<void> => {
    const [sandbox] = await Promise.all([probe(settings, stop.signal), warnOfConfinement(log)])
    if (!sandbox || stop.signal.aborted) return
    const { state, found, remedy } = sandbox
    if (state === 'ok') log.info({ sandbox: found }, 'runbooks can run in this sandbox')
    else log.warn({ sandbox: found, remedy }, 'no sandbox for runbooks is available')
  }
  const timer = setTimeout(() => {
    looking = look().catch((error) => log.warn({ sandbox: messageOf(error) }, 'the sandbox could not be checked'))
  }, laterMs)
  timer.unref()
  return {
    async stop() {
      clearTimeout(timer)
      stop.abort()
      await looking
    },
  }
}
