import type { CarryOutRunbook, CheckRunbook, PreflightRunbook } from './model/runbooks/runbook-run.ts'

/** Carries runbooks out in this process. */
export interface RunbookRunner {
  carryOut: CarryOutRunbook
  preflight: PreflightRunbook
  /** Removes what processes that are gone have left behind; says how many sandboxes that were. */
  reap(): Promise<number>
  /** Kills what is alive, and resolves when nothing of it is left. */
  close(): Promise<void>
}

/** What only the process can say that executes runs. */
const ofTheMachine = new Set(['sandbox', 'snapshot', 'limits'])

/**
 * Loads what carries runbooks out when the first one comes: a server that has none pays nothing for it. One that executes
 * nothing (`isElsewhere`) cannot say what the machine has on which the others run.
 */
export const runbooksOnDemand = (load: () => Promise<RunbookRunner>, isElsewhere: boolean): RunbookRunner => {
  let loading: Promise<RunbookRunner> | undefined
  const loaded = (): Promise<RunbookRunner> => {
    loading ??= load()
    loading.catch(() => {
      loading = undefined
    })
    return loading
  }
  return {
    carryOut: async (request, host) => (await loaded()).carryOut(request, host),
    async preflight(request, place) {
      const preflight = await (await loaded()).preflight(request, place)
      if (!isElsewhere) return preflight
      const checks = preflight.checks.filter(({ name }) => !ofTheMachine.has(name))
      return { ...preflight, checks, ready: checks.every(({ state }) => state !== 'failed') }
    },
    reap: async () => (await loaded()).reap(),
    close: async () => (await loading?.catch(() => undefined))?.close(),
  }
}

/** Lets a look at a runbook decide whether a run may begin. */
export const checkWith =
  (look: PreflightRunbook): CheckRunbook =>
  async (request, place, unknown) => {
    const preflight = await look(request, place)
    const checks = preflight.checks.filter(({ name }) => !unknown.includes(name))
    if (checks.every(({ state }) => state !== 'failed')) return
    const { notReady } = await import('./runbooks/preflight/preflight.ts')
    throw notReady({ ...preflight, checks })
  }
