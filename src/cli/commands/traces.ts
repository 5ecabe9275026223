import type { Command } from 'commander'
import pc from 'picocolors'
import { AppError } from '../../lib/errors.ts'
import { pause } from '../../lib/time.ts'
import type { Trajectory } from '../../model/runs/trajectory.ts'
import { span } from '../input/moments.ts'
import { type Session, withSession } from '../session.ts'
import { hanging, safe } from '../show/output.ts'
import { diagnoseTrace, type Finding } from '../show/trace-diagnosis.ts'

interface DoctorOptions {
  last?: boolean
  timeout: number
}

/** `jetty traces …`. */
export const registerTraces = (program: Command): void => {
  const traces = program.command('traces').description('Check what other programs export')
  traces
    .command('doctor <collection>')
    .description('Wait for the next trace, and say what it does not tell and which setting of its sender mends that')
    .option('--last', 'judge the newest trace that is there instead of waiting')
    .option('--timeout <time>', 'stop waiting after this: 90s, 5m', span, 300)
    .addHelpText('after', '\nExamples:\n  jetty traces doctor acme\n  jetty traces doctor acme --last --json')
    .action(withSession<DoctorOptions, [string]>(doctor))
  traces
    .command('remap <collection[/task]>')
    .description('Read stored traces again, after an update of the server that reads more of them')
    .addHelpText('after', '\nExamples:\n  jetty traces remap acme\n  jetty traces remap acme/my-bot')
    .action(withSession<object, [string]>(remap))
}

const remap = async ({ client, out, signal }: Session, [place]: [string]): Promise<void> => {
  const [collection = '', task] = place.split('/', 2)
  const sum = { spans: 0, changed: 0 }
  let cursor: string | undefined
  do {
    const body = { ...(task ? { task } : {}), ...(cursor ? { cursor } : {}) }
    const part = await client.remapTraces({ params: { collection }, body })
    sum.spans += part.spans
    sum.changed += part.changed
    cursor = part.next_cursor ?? undefined
  } while (cursor !== undefined && !signal.aborted)
  if (cursor !== undefined)
    throw new AppError('cancelled', 'Stopped before the end', { hint: 'Call it again: what is read already stays.' })
  out.answer(sum, () => `${sum.changed} of ${sum.spans} spans read differently now.`)
}

/** Newest runs among which a new trace is looked for. */
const looked = 50
const betweenLooksMs = 500
/** Exporters send a root last, and in batches five seconds apart. */
const rootWithinMs = 10_000

type Place = { collection: string; task: string; trajectory_id: string }

const newest = async ({ client }: Session, collection: string): Promise<Place[]> => {
  const query = { trigger: ['ingest' as const], limit: looked }
  const { runs } = await client.listCollectionRuns({ params: { collection }, query })
  return runs.map(({ task, trajectory_id }) => ({ collection, task, trajectory_id }))
}

const idOf = ({ task, trajectory_id }: Place): string => `${task}/${trajectory_id}`

const spansOf = (run: Trajectory) => Object.values(run.steps).flatMap(({ span }) => span ?? [])

/** The newest of these runs that records a trace. */
const firstTrace = async ({ client }: Session, places: readonly Place[]): Promise<Trajectory | undefined> => {
  for (const params of places) {
    const run = (await client.getTrajectory({ params })) as Trajectory
    if (spansOf(run).length > 0) return run
  }
  return undefined
}

const settings = (url: string, collection: string): string =>
  [
    `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=${url}/v1/traces`,
    `OTEL_EXPORTER_OTLP_TRACES_HEADERS=Authorization=Bearer mlc_…,X-Jetty-Collection=${collection}`,
    'OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf',
  ].join('\n')

/** Waits for a trace that was not there before. Undefined when the time is over. */
const nextTrace = async (session: Session, collection: string, seconds: number): Promise<Trajectory | undefined> => {
  const { out, signal } = session
  const known = new Set((await newest(session, collection)).map(idOf))
  out.note(`Waiting for a trace. Its sender needs:\n${settings(session.url, collection)}`)
  const until = performance.now() + seconds * 1000
  while (performance.now() < until && !signal.aborted) {
    const found = await firstTrace(
      session,
      (await newest(session, collection)).filter((place) => !known.has(idOf(place))),
    )
    if (found) return found
    await pause(betweenLooksMs)
  }
  return undefined
}

/** Reads the run again until its root has come, or no more is to be expected. */
const whole = async (session: Session, run: Trajectory): Promise<Trajectory> => {
  const params = { collection: run.collection, task: run.task, trajectory_id: run.trajectory_id }
  const until = performance.now() + rootWithinMs
  let now = run
  while (spansOf(now).every(({ parent }) => parent !== null) && performance.now() < until && !session.signal.aborted) {
    await pause(betweenLooksMs)
    now = (await session.client.getTrajectory({ params })) as Trajectory
  }
  return now
}

const report = (run: Trajectory, findings: readonly Finding[]): string => {
  const tokens = run.usage ? `${run.usage.total_tokens} tokens` : 'no tokens'
  const cost = run.cost_usd === null ? 'no cost' : `$${Number(run.cost_usd.toFixed(6))}`
  const head = `${safe(run.collection)}/${safe(run.task)}/${safe(run.trajectory_id)}: ${spansOf(run).length} spans, ${tokens}, ${cost}`
  if (findings.length === 0) return `${head}\n${pc.green('The trace says everything.')}`
  return [
    head,
    ...findings.map(
      ({ message, remedy }) => `${pc.yellow('missing')}  ${safe(message)}\n         ${hanging(remedy, 9)}`,
    ),
  ].join('\n')
}

const doctor = async (session: Session, [collection]: [string], options: DoctorOptions): Promise<void> => {
  const found = options.last
    ? await firstTrace(session, await newest(session, collection))
    : await nextTrace(session, collection, options.timeout)
  if (!found) {
    throw new AppError(
      'not_found',
      options.last ? `${collection} has no trace` : `No trace of ${collection} has come`,
      {
        hint: `Set in the environment of the program that is to send it:\n${settings(session.url, collection)}`,
      },
    )
  }
  const run = options.last ? found : await whole(session, found)
  const findings = diagnoseTrace(run)
  const { collection: place, task, trajectory_id, usage, cost_usd } = run
  session.out.answer(
    { collection: place, task, trajectory_id, spans: spansOf(run).length, usage, cost_usd, findings },
    () => report(run, findings),
  )
}
