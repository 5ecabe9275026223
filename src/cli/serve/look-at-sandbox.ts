/** Whether runbooks can be carried out here is said when a server starts, and not only by the first runbook. */

import { messageOf } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import type { Settings } from '../../lib/settings/config.ts'
import type { Check } from '../../local/machine-checks.ts'

/** Tries a sandbox; undefined for a server that carries nothing out. */
export const lookAtSandbox = async (settings: Settings, signal?: AbortSignal): Promise<Check | undefined> => {
  if (settings.role === 'api') return undefined
  const { checkSandbox } = await import('../../local/machine-checks.ts')
  return checkSandbox(settings, signal)
}

/** So late that a server which is stopped at once, or has its first requests, pays nothing for it. */
const laterMs = 2_000

/** Tries a sandbox a little later, and logs what there is in one line. `stop` takes down one that is being tried. */
export const lookLater = (settings: Settings, log: Logger): { stop(): Promise<void> } => {
  const stop = new AbortController()
  let looking: Promise<void> | undefined
  const look = async (): Promise<void> => {
    const sandbox = await lookAtSandbox(settings, stop.signal)
    if (!sandbox || stop.signal.aborted) return
    const { state, found, remedy } = sandbox
    if (state === 'ok') log.info({ sandbox: found }, 'runbooks can be carried out')
    else log.warn({ sandbox: found, remedy }, 'runbooks have no sandbox here')
  }
  const timer = setTimeout(() => {
    looking = look().catch((error) => log.warn({ sandbox: messageOf(error) }, 'no sandbox could be tried'))
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
