import { postgresPassword, postgresUrl } from '../../../src/store/database/postgres-folder.ts'
import { findPostgres } from '../../../src/store/database/postgres-process.ts'
import {
  betweenEffects,
  eventsOf,
  faultsOf,
  manyResults,
  mustStart,
  objectsStored,
  type RunbookShape,
} from '../harness/carried-runbook.ts'
import { type Acked, type Client, makeClient } from '../harness/client.ts'
import { hold } from '../harness/hold.ts'
import { gatesOf, waitsAt } from '../harness/runbook-gate.ts'
import { firstUid, processesInside, sandboxesLeft } from '../harness/sandboxes-left.ts'
import { makeSite, type Site } from '../harness/site.ts'
import { until } from '../harness/storm.ts'

const many = manyResults(150)

interface Moment {
  shape: RunbookShape
  results: Record<string, string>
  /** By what it has said or done by then; `before` are the objects that were stored when it began. */
  reached(site: Site, run: Acked, before: number): boolean | Promise<boolean>
}

/** When it is killed. */
const moments = {
  working: {
    shape: { script: ['echo one > /app/results/one', waitsAt()] },
    results: { one: 'one\n' },
    reached: async (site, { trajectoryId }) =>
      (await eventsOf(site, trajectoryId)).some(({ type }) => type === 'tool_call'),
  },
  collecting: {
    shape: { script: [waitsAt(), many.script] },
    results: many.results,
    reached: (site, _, before) => objectsStored(site).length >= before + 20,
  },
  verifying: {
    shape: { script: ['echo one > /app/results/one'], verify: waitsAt() },
    results: { one: 'one\n' },
    reached: async (site, { trajectoryId }) =>
      (await eventsOf(site, trajectoryId)).some(({ phase }) => phase === 'verifying'),
  },
  /** Everything is stored, the log of the agent as the last, and nothing of the step is recorded. */
  stored: {
    shape: { script: ['echo one > /app/results/one', waitsAt()] },
    results: { one: 'one\n' },
    reached: (site, _, before) => objectsStored(site).length >= before + 2,
  },
} satisfies Record<string, Moment>
export type KillMoment = keyof typeof moments

/** Holds the leases: the server can read everything, and record nothing. */
const holdRecords = async (site: Site): Promise<() => Promise<void>> => {
  const postgres = findPostgres(site.dataDir)
  if (!postgres) throw new Error('there is no Postgres')
  return hold(postgresUrl(postgres.port, postgresPassword(site.dataDir)), 'select 1 from leases for update')
}

/** One more run, for which there is no place. */
const startWaiting = async (site: Site, client: Client, url: string): Promise<Acked> => {
  const run = await mustStart(client, url, 'working')
  const waits = async () => (await eventsOf(site, run.trajectoryId)).some(({ phase }) => phase === 'waiting')
  await until('another run to wait', waits)
  return run
}

/**
 * The server is killed while it carries a runbook out, once at each of these moments. After its next start the run
 * completes by a fresh sandbox, and nothing of the first one is there any more. One that had only waited is no second try.
 */
export const runbookKills = async (at: readonly KillMoment[]): Promise<string[]> => {
  const site = makeSite()
  const client = makeClient()
  const gates = gatesOf(site)
  const faults: string[] = []
  const env = { JETTY_SANDBOX_UID: String(firstUid), JETTY_SANDBOXES: '1' }
  const figures: Record<string, unknown> = {}
  try {
    let server = site.spawn(env)
    let url = await server.ready
    const workflows = at.map((moment) => [moment, betweenEffects(moments[moment].shape)] as const)
    await client.setUp(url, Object.fromEntries(workflows))
    for (const moment of at) {
      const { results, reached }: Moment = moments[moment]
      const before = objectsStored(site).length
      const run = await mustStart(client, url, moment)
      let letGo = async () => {}
      if (moment === 'collecting' || moment === 'stored') {
        const { reached: works }: Moment = moments.working
        await until('the agent to work', () => works(site, run, before))
        letGo = await holdRecords(site) // however late the kill comes
        gates.open()
      }
      const reachedMs = await until(moment, () => reached(site, run, before))
      const waiting = moment === 'working' ? await startWaiting(site, client, url) : undefined
      if (moment === 'working' && processesInside() === 0) faults.push('nothing ran in a sandbox: nothing was tried')
      await server.kill()
      await letGo()
      const goneMs = await until('its processes to be gone', () => processesInside() === 0, 20_000)
      server = site.spawn(env)
      url = await server.ready
      const settledMs = await gates.untilAllEnded()
      faults.push(...(await faultsOf({ site, client, url }, run, results)).map((fault) => `${moment}: ${fault}`))
      const found = waiting ? await faultsOf({ site, client, url }, waiting, results, 1) : []
      faults.push(...found.map((fault) => `waiting: ${fault}`))
      const left = await sandboxesLeft(site.dataDir, [run.trajectoryId])
      faults.push(...left.map((fault) => `${moment}: ${fault}`))
      figures[moment] = { reachedMs, goneMs, settledMs }
    }
    console.log('runbook kills:', JSON.stringify(figures))
    return faults
  } finally {
    await site.close()
  }
}
