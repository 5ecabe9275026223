import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Workflow } from '../../../src/model/workflows/workflow.ts'
import { type Acked, type Client, collection } from './client.ts'
import type { Site } from './site.ts'

export interface RunbookShape {
  /** What the scripted agent does, as the lines of one shell block. */
  script: readonly string[]
  /** Command of the independent check. */
  verify?: string | undefined
}

/** Carried out by the scripted agent: it needs no key, no network and no model. */
export const runbookText = ({ script, verify }: RunbookShape): string =>
  [
    ...(verify === undefined ? [] : ['---', `verify: ${JSON.stringify(verify)}`, '---']),
    '# Crash\n\n```sh',
    ...script,
    '```\n',
  ].join('\n')

/** A runbook between two steps that leave their effects. */
export const betweenEffects = (shape: RunbookShape): Workflow => {
  const effect = { activity: 'effect', value: 1, from: 1, to: 1 }
  const run = { activity: 'runbook', agent: 'scripted', instruction: runbookText(shape), timeout_sec: 300 }
  return { init_params: {}, step_configs: { before: effect, run, after: effect }, steps: ['before', 'run', 'after'] }
}

/** Many small results: what makes them, and what they are. */
export const manyResults = (count: number): { script: string; results: Record<string, string> } => {
  const width = String(count).length
  const names = Array.from({ length: count }, (_, at) => `f${String(at + 1).padStart(width, '0')}`)
  return {
    script: `cd /app/results; for n in $(seq -w 1 ${count}); do echo f$n > f$n; done`,
    results: Object.fromEntries(names.map((name) => [name, `${name}\n`])),
  }
}

export interface ToldEvent {
  type: string
  phase?: string
  message?: string
  reason?: string
}

/** What the agents of a run have told so far. */
export const eventsOf = async (site: Site, trajectoryId: string): Promise<ToldEvent[]> =>
  (
    await site.rows<{ event: string }>(
      `select e.event from step_events e join runs r on r.id = e.run_id where r.trajectory_id = $1 order by e.seq, e.n`,
      [trajectoryId],
    )
  ).map(({ event }) => JSON.parse(event) as ToldEvent)

/** Objects that are stored, whether a file leads to them or not. */
export const objectsStored = (site: Site): string[] =>
  readdirSync(join(site.dataDir, 'files'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /^[0-9a-f-]{36}$/.test(entry.name))
    .map((entry) => entry.name)

/**
 * What is wrong with a run of `betweenEffects` that has ended: each step recorded once, the runbook begun so many times,
 * each time but the first in a sandbox that is said to be a fresh one, every result there once and readable.
 */
export const faultsOf = async (
  { site, client, url }: { site: Site; client: Client; url: string },
  run: Acked,
  results: Readonly<Record<string, string>>,
  attempts = 2,
): Promise<string[]> => {
  const faults: string[] = []
  const { body } = await client.get(url, run)
  if (body.status !== 'completed') return [`${run.trajectoryId} is ${body.status}: ${body.error}`]
  const { before, run: step } = body.steps
  if (before.attempt !== 1) faults.push(`the step before it was executed ${before.attempt} times`)
  if (step.attempt !== attempts) faults.push(`the runbook has attempt ${step.attempt}`)
  const [row] = await site.rows<{ id: string; files: string[] }>(
    `select id, array(select path from files where run_id = runs.id order by path) files from runs
     where trajectory_id = $1`,
    [run.trajectoryId],
  )
  for (const seq of [0, 2]) {
    const effects = site.traces('effects').filter((effect) => effect.run === row?.id && effect.seq === seq)
    if (effects.length !== 1) faults.push(`step ${seq} took effect ${effects.length} times`)
  }
  const told = await eventsOf(site, run.trajectoryId)
  const fresh = told.filter(({ phase, message }) => phase === 'preparing' && message?.includes('fresh sandbox'))
  if (fresh.length !== attempts - 1) faults.push(`that there is a fresh sandbox was told ${fresh.length} times`)
  // An attempt that has told its end may die before it is recorded.
  const ends = told.filter(({ type, reason }) => type === 'end' && reason === 'completed').length
  if (ends < 1 || ends > attempts) faults.push(`its end was told ${ends} times`)

  const files = step.outputs.results_files as { path: string; relative_path: string }[]
  const names = files.map((file) => file.relative_path)
  if (names.join() !== Object.keys(results).join()) faults.push(`it made ${names.join()}`)
  const listed = [...files.map((file) => file.path), step.outputs.agent_log].sort()
  if (row?.files.join() !== listed.join()) faults.push(`files ${row?.files.join()}, listed ${listed.join()}`)
  for (const file of files) {
    const { status, body: text } = await client.call(url, 'GET', `/file/${file.path}`)
    if (status !== 200 || text !== results[file.relative_path]) faults.push(`${file.path} is ${status} ${text}`)
  }
  return faults
}

/** Starts a run of one of the tasks; throws where it is refused. */
export const mustStart = async (client: Client, url: string, task: string): Promise<Acked> => {
  const run = await client.start(url, task, 1)
  if (!run) throw new Error(`a run of ${collection}/${task} was refused: ${[...client.others.keys()]}`)
  return run
}
