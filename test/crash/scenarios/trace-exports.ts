import { pause } from '../../../src/lib/time.ts'
import { createTestDatabase } from '../../database.ts'
import { type CollectedSpan, startCollector } from '../../fakes/otlp-collector.ts'
import { makeClient } from '../harness/client.ts'
import { chain } from '../harness/pure.ts'
import { seeded } from '../harness/random.ts'
import type { ServerProcess } from '../harness/server-process.ts'
import { makeSite } from '../harness/site.ts'
import { starts, until, untilAllEnded } from '../harness/storm.ts'

const stepsEach = 2
/** The workers take the export over from one another that long after a kill, and five seconds more. */
const timeoutMs = 300

const nameOf = ({ attributes, name }: CollectedSpan): string => `${attributes['jetty.trajectory_id'] ?? ''} ${name}`

/**
 * Runs over two workers that are killed while they execute and export, with a collector that is away now and then, and that
 * may have taken what it did not acknowledge. Every span of every run arrives, and what arrives twice has the same ids.
 */
export const traceExportKills = async ({ runs, kills }: { runs: number; kills: number }): Promise<string[]> => {
  const random = seeded('trace exports')
  const database = await createTestDatabase()
  const site = makeSite(database.url)
  const client = makeClient()
  const collector = await startCollector()
  let requests = 0
  collector.answer(() => (++requests % 5 === 0 ? { status: 503 } : {}))
  const env = {
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_TIMEOUT: String(timeoutMs),
    OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '16',
  }
  const spawn = () => site.spawn({ ...env, JETTY_ROLE: 'worker' })
  try {
    const url = await site.spawn({ ...env, JETTY_ROLE: 'api' }).ready
    await client.setUp(url, { traced: chain(stepsEach, { from: 0, to: 20 }) })
    const workers: ServerProcess[] = [spawn(), spawn()]
    await Promise.all(workers.map((worker) => worker.ready))
    const starting = client.startMany(url, 'traced', starts(random, runs), 4)
    for (let kill = 0; kill < kills; kill++) {
      const before = requests
      await until('more requests to the collector', () => requests > before)
      await pause(random.between(0, 100))
      const at = random.between(0, 1)
      await workers[at]?.kill()
      workers[at] = spawn()
    }
    await starting
    await untilAllEnded(site)
    const ended = await site.rows<{ trajectory_id: string; steps: number }>(
      'select trajectory_id, (select count(*)::int from steps where run_id = r.id) as steps from runs r',
    )
    const expected = ended.reduce((sum, { steps }) => sum + steps + 1, 0)
    const distinct = () => new Set(collector.spans.map(({ traceId, spanId }) => `${traceId} ${spanId}`)).size
    await until('every span', () => distinct() >= expected).catch(() => {})
    const taken = collector.requests.flatMap(({ spans }) => spans)
    const roots = new Map<string, Set<string>>()
    for (const span of taken.filter(({ parentId }) => parentId === undefined)) {
      const ids = roots.get(nameOf(span)) ?? new Set()
      roots.set(nameOf(span), ids.add(`${span.traceId} ${span.spanId}`))
    }
    const traces = new Map(collector.spans.filter((one) => !one.parentId).map((one) => [one.traceId, one]))
    const below = new Map<string, Set<string>>()
    for (const span of collector.spans.filter(({ parentId }) => parentId !== undefined)) {
      const ids = below.get(span.traceId) ?? new Set()
      below.set(span.traceId, ids.add(span.spanId))
    }
    const byRun = new Map([...traces].map(([traceId, span]) => [span.attributes['jetty.trajectory_id'], traceId]))
    console.log('trace exports:', JSON.stringify({ runs: ended.length, kills, requests, sent: taken.length, expected }))
    return [
      // A start whose answer was lost is a run as well.
      ...(ended.length >= client.acked.length ? [] : [`${ended.length} runs instead of ${client.acked.length}`]),
      ...ended.flatMap(({ trajectory_id: id, steps }) => {
        const traceId = byRun.get(id)
        if (traceId === undefined) return [`${id} was not exported`]
        const found = below.get(traceId)?.size ?? 0
        return found === steps ? [] : [`${id} has ${steps} steps, of which ${found} were exported`]
      }),
      ...[...roots].filter(([, ids]) => ids.size > 1).map(([name]) => `${name} was sent with several ids`),
      ...[...traces.keys()]
        .filter((traceId) => (below.get(traceId)?.size ?? 0) > stepsEach)
        .map((id) => `${id}: too many steps`),
    ]
  } finally {
    await site.close()
    collector.close()
    await database.drop()
  }
}
