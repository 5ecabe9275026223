import { check } from '../harness/checker.ts'
import { type Client, collection, makeClient } from '../harness/client.ts'
import { chain } from '../harness/pure.ts'
import { makeSite } from '../harness/site.ts'
import { tell, until, untilAllEnded } from '../harness/storm.ts'

export interface SentEventsSize {
  runs: number
  /** Kills while events are sent. */
  kills: number
}

/** A chain whose second step waits for an event with the run's parameter as its key. */
const gated = () => {
  const workflow = chain(3)
  const step_configs = {
    ...workflow.step_configs,
    s1: { activity: 'wait_for_event', event: 'go', key_path: 'init_params.start' },
    s2: { ...workflow.step_configs?.s2, value_path: 's0.outputs.value' },
  }
  return { ...workflow, step_configs }
}

/**
 * Half of the runs wait already, the others start while the server dies again and again. Every event is sent until it is
 * answered, by several senders, before or after its run waits: each run goes on once, with the event that was accepted.
 */
export const sentEvents = async ({ runs, kills }: SentEventsSize): Promise<string[]> => {
  const site = makeSite()
  const client = makeClient()
  const faults: string[] = []
  const lost = new Set<number>()
  try {
    let server = site.spawn()
    let url = await server.ready
    await client.setUp(url, { gated: gated() })
    const half = Math.ceil(runs / 2)
    for (let start = 1; start <= half; start++) await startOnce(client, url, start)
    await until('the first runs to wait', async () => {
      const [row] = await site.rows<{ waiting: number }>(
        `select count(*)::int waiting from runs where lease is null and ended_at is null and wake_at is null`,
      )
      return row?.waiting === half
    })
    const open = Array.from({ length: runs }, (_, at) => at + 1)
    const starts = open.slice(half)
    for (let round = 0; open.length > 0 || starts.length > 0; round++) {
      const sending = open.splice(0, Math.ceil(runs / (kills + 1))).map(async (start) => {
        const answers = await Promise.all(Array.from({ length: 3 }, () => send(client, url, start)))
        if (!answers.some(Boolean)) open.push(start)
      })
      const starting = starts.splice(0, Math.ceil(half / kills)).map(async (start) => {
        if (!(await startOnce(client, url, start))) starts.push(start)
      })
      if (round < kills) {
        lost.add(server.pid)
        await server.kill()
        server = site.spawn()
        url = await server.ready
      }
      await Promise.all([...sending, ...starting])
    }
    const settledMs = await untilAllEnded(site)
    const ended = await site.rows<{ status: string; attempt: number; event: string | null }>(
      `select r.status, s.attempt, s.outputs::json->>'id' event
       from runs r join steps s on s.run_id = r.id and s.seq = 1 where r.name = '${collection}/gated'`,
    )
    const twice = await site.rows(
      `select key from events where state = 'delivered' group by key having count(*) > 1
       union all select key from event_waits where outcome = 'received' group by key having count(*) > 1`,
    )
    if (twice.length > 0) faults.push(`events delivered twice: ${JSON.stringify(twice)}`)
    const wrong = ended.filter(
      ({ status, attempt, event }) => status !== 'completed' || attempt !== 1 || event !== 'once',
    )
    if (ended.length !== runs || wrong.length > 0) faults.push(JSON.stringify(wrong))
    const report = await check(site, { acked: client.acked, lengths: { gated: 3 }, lost })
    // The waiting step has no effect of its own, and its outputs are not a chain's.
    const others = report.violations.filter((fault) => !/^C[36]:/.test(fault))
    tell('sent events', { ...report, violations: others }, { settledMs })
    return [...faults, ...others]
  } finally {
    await site.close()
  }
}

/** Whether the server has answered that it has the event. */
const send = async (client: Client, url: string, start: number): Promise<boolean> => {
  const event = { event: 'go', key: String(start), payload: { start }, id: 'once' }
  const reply = await client.call(url, 'POST', `/events/${collection}`, event).catch(() => undefined)
  return reply?.status === 200
}

/** Starts one run for each parameter, however often it is asked for. */
const startOnce = async (client: Client, url: string, start: number): Promise<boolean> => {
  const body = { init_params: { start } }
  const run = await client.postOnce(url, `/run/${collection}/gated`, body, `start-${start}`)
  if (run) client.acked.push({ trajectoryId: run.trajectory_id, task: 'gated', start })
  return run !== undefined
}
