import type { LeaseRef } from '../journal/journal-entry.ts'
import { Fenced } from '../journal/journal-sender.ts'
import type { Heartbeat } from '../leases/heartbeat.ts'

/** How often the lease is checked: a sandbox must stop once another process has the run. */
const checkLeaseMs = 500

/** Checks the lease from time to time: once another process has the run, the sandbox must stop, and ask no model. */
export const watchLease = (
  { confirmLease }: { confirmLease: Heartbeat['confirm'] },
  lease: LeaseRef,
  onFenced: (fenced: Fenced) => void,
) => {
  const confirm = async (): Promise<void> => {
    try {
      await confirmLease(lease)
    } catch (error) {
      if (error instanceof Fenced) onFenced(error)
      throw error
    }
  }
  let isChecking = false
  const check = async () => {
    if (isChecking) return
    isChecking = true
    await confirm().catch(() => {}) // Postgres is away: asked again
    isChecking = false
  }
  const timer = setInterval(() => void check(), checkLeaseMs)
  return { confirm, end: () => clearInterval(timer) }
}
