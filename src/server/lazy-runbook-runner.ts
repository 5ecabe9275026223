import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Settings } from '../lib/settings/config.ts'
import type { CarryOutRunbook, CheckRunbook, PreflightRunbook } from '../model/runbooks/runbook-run.ts'
import { sandboxKinds } from '../model/runbooks/sandbox.ts'
import type { CheckScript, RunScript } from '../model/scripts/script-run.ts'
import type { SandboxProbe } from '../sandbox/isolation/sandbox.ts'

/** Carries runbooks and scripts out in this process. */
export interface RunbookRunner {
  carryOut: CarryOutRunbook
  preflight: PreflightRunbook
  /** Runs scripts; missing where tests replace it. */
  runScript?: RunScript
  /** Checks that scripts can run; missing where tests replace it. */
  checkScript?: CheckScript
  /** Tries the sandbox of this machine; missing where tests replace it. */
  probe?: (() => Promise<SandboxProbe>) | undefined
  /** Removes sandboxes of dead processes. Returns their number. */
  reap(): Promise<number>
  /** Kills running agents. Resolves when nothing of them is left. */
  close(): Promise<void>
}

/** A runner with real sandboxes. */
export type RealRunner = Required<RunbookRunner> & { probe(): Promise<SandboxProbe> }

/** Checks whose result depends on the machine that executes the run. */
const ofTheMachine = new Set(['sandbox', 'snapshot', 'limits'])

/**
 * Loads the runner with the first runbook, so that a server without runbooks does not pay for it. A process that executes
 * no runs (`isElsewhere`) leaves out the checks that depend on the machine.
 */
export const lazyRunbookRunner = (load: () => Promise<RealRunner>, isElsewhere: boolean): RunbookRunner => {
  let loading: Promise<RealRunner> | undefined
  const loaded = (): Promise<RealRunner> => {
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
    runScript: async (request, host) => (await loaded()).runScript(request, host),
    checkScript: async (wanted) => (isElsewhere ? undefined : (await loaded()).checkScript(wanted)),
    probe: async () => (await loaded()).probe(),
    reap: async () => (await loaded()).reap(),
    close: async () => (await loading?.catch(() => undefined))?.close(),
  }
}

/** Turns a preflight into a check that throws the reason why a runbook is not ready. `unknown` results pass. */
export const checkWith =
  (preflightOf: PreflightRunbook): CheckRunbook =>
  async (request, place, unknown) => {
    const preflight = await preflightOf(request, place)
    const checks = preflight.checks.filter(({ name }) => !unknown.includes(name))
    if (checks.every(({ state }) => state !== 'failed')) return
    const { notReady } = await import('../sandbox/runbooks/preflight/preflight.ts')
    throw notReady({ ...preflight, checks })
  }

/** Whether this process may have to remove sandboxes; a server that never had any need not load the runner for that. */
export const mayHaveSandboxes = (settings: Settings, dataDir: string): boolean =>
  settings.role !== 'api' &&
  (sandboxKinds[settings.sandbox].runsImages || existsSync(settings.sandboxDir ?? join(dataDir, 'sandboxes')))
