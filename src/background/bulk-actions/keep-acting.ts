import type { Engine } from '../../engine/engine.ts'
import { isDatabaseUnavailable } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import { claimBulkAction, isAnyBulkActionDue } from '../../store/runs/bulk/bulk-actions.ts'
import { type BulkPartDeps, carryOutPart } from './carry-out.ts'

interface BulkActionDeps extends BulkPartDeps {
  engine: Pick<Engine, 'start' | 'requestEnd' | 'lookFor'>
  /** Milliseconds since 1970. */
  clock(): number
  log: Logger
}

export interface BulkActions {
  /** Looks for due parts now, without waiting for a heartbeat. */
  wake(): void
  /** Starts no further part; resolves when the one under way has ended. */
  stop(): Promise<void>
}

/** Carries out actions on many runs, part by part, whenever a heartbeat reports a due one. */
export const keepActing = (deps: BulkActionDeps): BulkActions => {
  const { database, engine, clock, log } = deps
  const stopping = new AbortController()
  let acting: Promise<void> | undefined

  const actAll = async () => {
    while (!stopping.signal.aborted) {
      const action = await claimBulkAction(database, new Date(clock()))
      if (!action) return
      await carryOutPart(deps, action)
    }
  }
  /** A claimed part is claimed again when its claim has expired. */
  const complain = (err: unknown): void =>
    log[isDatabaseUnavailable(err) ? 'debug' : 'error']({ err }, 'an action on many runs was put off')
  const wake = () => {
    if (stopping.signal.aborted) return
    acting ??= actAll()
      .catch(complain)
      .finally(() => {
        acting = undefined
      })
  }

  engine.lookFor({ condition: isAnyBulkActionDue, now: () => new Date(clock()), onSeen: wake })
  return {
    wake,
    async stop() {
      stopping.abort()
      await acting
    },
  }
}
