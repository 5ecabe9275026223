import { check } from '../harness/checker.ts'
import { type Client, collection, makeClient, type Reply } from '../harness/client.ts'
import { chain } from '../harness/pure.ts'
import { makeSite } from '../harness/site.ts'
import { tell, until, untilAllEnded } from '../harness/storm.ts'

export interface ApprovalsSize {
  runs: number
  /** Kills while decisions are being made. */
  kills: number
}

/** A chain whose second step waits for a person. */
const gated = () => {
  const workflow = chain(3)
  const step_configs = {
    ...workflow.step_configs,
    s1: { activity: 'wait_for_approval', message: 'May it go on?' },
    s2: { ...workflow.step_configs?.s2, value_path: 's0.outputs.value' },
  }
  return { ...workflow, step_configs }
}

/**
 * Runs that wait for a person survive the death of the server and of Postgres, and wait on. Then they are decided while
 * the server dies again and again: what was answered is what counts, and what was not can be asked again.
 */
export const approvals = async ({ runs, kills }: ApprovalsSize): Promise<string[]> => {
  const site = makeSite()
  const client = makeClient()
  const faults: string[] = []
  const lost = new Set<number>()
  try {
    let server = site.spawn()
    let url = await server.ready
    await client.setUp(url, { gated: gated() })
    for (let start = 1; start <= runs; start++) await client.start(url, 'gated', start)
    const waiting = async () => {
      const [row] = await site.rows<{ waiting: number }>(
        `select count(*)::int waiting from runs r join approvals a on a.run_id = r.id
         where r.lease is null and r.ended_at is null and r.wake_at is null and a.decision is null`,
      )
      return row?.waiting ?? 0
    }
    await until('all runs to wait', async () => (await waiting()) === runs)
    const again = async () => {
      lost.add(server.pid)
      await server.kill()
      server = site.spawn()
      url = await server.ready
    }
    lost.add(server.pid)
    await server.kill()
    site.killPostgres()
    server = site.spawn()
    url = await server.ready
    if ((await waiting()) !== runs) faults.push(`${await waiting()} of ${runs} runs still wait after the kill`)

    const decided = new Map<string, string>()
    const open = [...client.acked]
    for (let kill = 0; open.length > 0; kill++) {
      const some = open.splice(0, Math.ceil(runs / (kills + 1)))
      const deciding = some.map(async (run) => {
        const reply = await decide(client, url, run.trajectoryId, `in round ${kill}`)
        const made = reply && decisionIn(reply)
        if (made === undefined) open.push(run)
        else decided.set(run.trajectoryId, made)
      })
      if (kill < kills) await again()
      await Promise.all(deciding)
    }
    const settledMs = await untilAllEnded(site)
    const ended = await site.rows<{ id: string; status: string; deaths: number; attempt: number; comment: string }>(
      `select r.trajectory_id id, r.status, r.deaths, s.attempt, s.outputs::json->>'comment' comment
       from runs r join steps s on s.run_id = r.id and s.seq = 1 where r.name = 'crash/gated'`,
    )
    const wrong = ended.filter(
      (run) => run.status !== 'completed' || run.attempt !== 1 || run.comment !== decided.get(run.id),
    )
    if (ended.length !== runs || wrong.length > 0) faults.push(JSON.stringify(wrong))
    const report = await check(site, { acked: client.acked, lengths: { gated: 3 }, lost })
    // The waiting step has no effect of its own, and its outputs are not a chain's.
    const others = report.violations.filter((fault) => !/^C[36]:/.test(fault))
    tell('approvals', { ...report, violations: others }, { settledMs })
    return [...faults, ...others]
  } finally {
    await site.close()
  }
}

/** Undefined where nobody answered. */
const decide = (client: Client, url: string, id: string, comment: string): Promise<Reply | undefined> =>
  client
    .call(url, 'POST', `/trajectory/${collection}/gated/${id}/steps/s1/approval`, { decision: 'approve', comment })
    .catch(() => undefined)

/** The comment that stands: that of this decision, or of one whose answer was lost. */
const decisionIn = ({ status, body }: Reply): string | undefined =>
  status === 200 ? body.comment : status === 409 ? body.approval?.comment : undefined
