import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { openDatabase } from '../../../src/store/database/database.ts'
import { readEvents } from '../../event-stream.ts'
import { type Client, collection } from '../harness/client.ts'
import { adminToken, type Site } from '../harness/site.ts'
import { answerUsd } from './counting-model.ts'
import { kindOf } from './work.ts'

/** Something that was accepted. */
export interface Begun {
  id: string
  task: string
  /** Whether somebody wanted it cancelled, and was told that it is: an answer may be lost. */
  cancel: 'never' | 'asked' | 'granted'
  hasWebhook: boolean
}

/** A run is not taken over before, and what a frozen process had begun by then takes effect when it thaws. */
export const longerThanDeadMs = 8_000

export interface EndedRun {
  id: string
  key: string
  parent: string | null
  task: string
  status: string
  error: string | null
  deaths: number
  runbook: string | null
  usd: number
}

export interface EndedStep {
  key: string
  seq: number
  name: string
  status: string
  attempt: number
  outputs: { failure_reason?: string | null; results_files?: { path: string; relative_path: string }[] } | null
  ended: number | null
}

export const endedRuns = (site: Site): Promise<EndedRun[]> =>
  site.rows<EndedRun>(
    `select r.trajectory_id id, r.id key, p.trajectory_id parent, split_part(r.name, '/', 2) task, r.status, r.error, r.deaths,
       coalesce(r.init_params::json->>'runbook', r.init_params::json->>'instruction') runbook, coalesce(s.usd, 0)::float8 usd
     from runs r left join runs p on p.id = r.parent_id left join run_spending s on s.run_id = r.id where r.name like '${collection}/%' order by r.number`,
  )

export const endedSteps = (site: Site): Promise<EndedStep[]> =>
  site.rows<EndedStep>(
    `select run_id key, seq, name, status, attempt, outputs::json outputs, extract(epoch from ended_at)::float8 * 1000 ended
     from steps order by run_id, seq`,
  )

/** Where what is told of agents has a gap. */
export const faultsOfTold = async (site: Site): Promise<string[]> => {
  const rows = await site.rows<{ run_id: string; told: number; last: number }>(
    `select run_id, count(*)::int told, max(n) + 1 last from step_events group by run_id, seq having count(*) <> max(n) + 1`,
  )
  return rows.map(({ run_id, told, last }) => `${run_id} has ${told} events up to number ${last}`)
}

const text = (path: string): string => {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/** What is left outside of the data folder and the database. */
export const elsewhereLeft = (site: Site): string[] => [
  ...readdirSync(site.folder)
    .filter((name) => name.startsWith('jetty-'))
    .map((name) => `${name} is left among temporary files`),
  ...text('/proc/net/unix')
    .split('\n')
    .filter((line) => line.includes(join(site.dataDir, 'sandboxes')))
    .map((line) => `a socket is left: ${line}`),
]

/** Claims on user ids that nobody has any more. */
export const claimsLeft = (pids: ReadonlySet<number>): string[] => {
  const uids = '/run/jetty/uids'
  try {
    return readdirSync(uids)
      .filter((name) => pids.has(Number(/^\d+\.(\d+)-\w+\.json$/.exec(name)?.[1])))
      .map((name) => `the claim ${name} on a user id is left`)
  } catch {
    return [] // not root: there are none
  }
}

export const connectionsTo = async (url: string): Promise<number> => {
  const database = openDatabase(url, { connections: 1 })
  try {
    const [row] = await database.query<{ n: number }>(
      `select count(*)::int n from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`,
    )
    return row?.n ?? 0
  } finally {
    await database.close()
  }
}

/** What ended otherwise than its work says, was not paid, or was done twice. */
export const faultsOfRun = async (
  { site, client, url }: { site: Site; client: Client; url: string },
  run: EndedRun,
  steps: readonly EndedStep[],
  { cancel, served, wasFull }: { cancel: Begun['cancel']; served: number; wasFull: boolean },
): Promise<string[]> => {
  const open = steps.filter(({ ended }) => ended === null).map(({ name }) => `${name} has not ended`)
  const isCancelled = cancel === 'granted' || (cancel === 'asked' && run.status === 'cancelled')
  if (isCancelled && run.status !== 'cancelled' && run.parent === null) open.push(`was cancelled and is ${run.status}`)
  if (run.runbook === null) {
    const isRight = isCancelled || run.status === 'completed' || (wasFull && run.status === 'failed')
    return isRight ? open : [...open, `a fan-out is ${run.status}: ${run.error}`]
  }
  const { kind } = kindOf(run.runbook)
  if (!kind) return [`has the runbook of nobody: ${run.runbook}`]
  const carried = steps.find(({ name }) => name === 'run')
  const faults = [...open]
  const reason = carried?.outputs?.failure_reason ?? undefined
  const isOfDisk = wasFull && run.status === 'failed' && /disk|storage|room|space/i.test(run.error ?? '')
  if (!isCancelled && !isOfDisk && (run.status !== (kind.reason ? 'failed' : 'completed') || reason !== kind.reason)) {
    faults.push(`is ${run.status} (${reason}): ${run.error}`)
  }
  if (run.status === 'completed') faults.push(...(await faultsOfFiles({ client, url }, run, carried)))
  // Whoever is killed while an answer comes in has not written down what it cost.
  const unseen = (carried?.attempt ?? 1) - 1 + (isCancelled ? 1 : 0)
  const paid = Math.round(run.usd / answerUsd)
  if (paid < served - unseen) faults.push(`${paid} of ${served} answers were paid`)
  for (const { seq, name, ended } of steps.filter((one) => one.name !== 'run' && one.status === 'completed')) {
    const isLate = ({ run: key, seq: at, ms }: { run: string; seq: number; ms: number }) =>
      key === run.key && at === seq && ms > (ended ?? 0) + longerThanDeadMs
    if (site.traces('effects').some(isLate)) faults.push(`${name} was executed again after it was recorded`)
  }
  return faults
}

const faultsOfFiles = async (
  { client, url }: { client: Client; url: string },
  run: EndedRun,
  carried: EndedStep | undefined,
): Promise<string[]> => {
  const files = carried?.outputs?.results_files ?? []
  const { word } = kindOf(run.runbook ?? '')
  const out = files.find(({ relative_path: path }) => path === 'out')
  const answer = out && (await client.call(url, 'GET', `/file/${out.path}`))
  const faults = answer?.body === `${word}\n` ? [] : [`is completed, and its file is ${answer?.body}`]
  if (files.some(({ relative_path: path }) => path === 'late')) faults.push('what was left running has written')
  return faults
}

/** What is wrong with what a run tells of itself, from its beginning. */
export const faultsOfStream = async (url: string, { id, task }: Begun): Promise<string[]> => {
  const path = `/api/v1/trajectory/${collection}/${task}/${id}/events`
  const { events } = await readEvents(url + path, adminToken, { lastEventId: 0 })
  const ids = events.flatMap((event) => event.id ?? [])
  const faults = ids.some((one, at) => at > 0 && one < (ids[at - 1] as number)) ? [`events of ${id} go back`] : []
  const ends = events.filter(({ event }) => event === 'end').length
  return ends === 1 ? faults : [...faults, `the end of ${id} was told ${ends} times`]
}
