import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { check } from '../harness/checker.ts'
import { makeClient } from '../harness/client.ts'
import { openGate } from '../harness/gate.ts'
import { chain } from '../harness/pure.ts'
import { makeSite } from '../harness/site.ts'
import { tell, until, untilAllEnded } from '../harness/storm.ts'

/** A run's secrets are there after kill -9, gone from its row at the end, and never anywhere in clear. */
export const secrets = async (): Promise<string[]> => {
  const site = makeSite()
  const client = makeClient()
  const faults: string[] = []
  const canary = `canary-${randomBytes(12).toString('hex')}`
  const activities = { 0: 'gated', 2: 'keeper' }
  try {
    const first = site.spawn()
    const url = await first.ready
    await client.setUp(url, { keeper: chain(4, { activities }) })
    for (let start = 1; start <= 5; start++) {
      await client.start(url, 'keeper', start, { secret_params: { CANARY: canary } })
    }
    await until('a step to have begun', () => site.traces('begins').length > 0)
    const sealed = async () => {
      const [row] = await site.rows<{ sealed: number }>(
        'select count(sealed_secrets)::int sealed from runs where ended_at is null',
      )
      return row?.sealed ?? 0
    }
    if ((await sealed()) !== 5) faults.push(`${await sealed()} of 5 runs keep their secrets`)
    await first.kill()
    site.killPostgres()
    const second = site.spawn()
    await second.ready
    openGate(site)
    await untilAllEnded(site)
    const [after] = await site.rows<{ kept: number; lengths: number[] }>(
      `select (select count(sealed_secrets)::int from runs) kept,
         (select array_agg((outputs::json->>'length')::int) from steps where name = 's2') lengths`,
    )
    if (after?.kept !== 0) faults.push(`${after?.kept} ended runs still have secrets in their rows`)
    if (!after?.lengths.every((length) => length === canary.length)) faults.push(`steps got ${after?.lengths}`)
    const tables = await site.rows<{ name: string }>(
      `select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname = 'public'`,
    )
    for (const { name } of tables) {
      const found = await site.rows<{ n: number }>(`select count(*)::int n from ${name} t where t::text like $1`, [
        `%${canary}%`,
      ])
      if (found[0]?.n !== 0) faults.push(`a secret stands in ${name}`)
    }
    const logs = ['server.log', 'data/postgres.log'].map((file) => readFileSync(join(site.folder, file), 'utf8'))
    if (logs.some((text) => text.includes(canary))) faults.push('a secret stands in a log')
    for (const run of client.acked) {
      if (JSON.stringify(await client.get(await second.ready, run)).includes(canary))
        faults.push('the API shows a secret')
    }
    const report = await check(site, { acked: client.acked, lengths: { keeper: 4 }, lost: new Set([first.pid]) })
    tell('secrets', report)
    return [...faults, ...report.violations]
  } finally {
    await site.close()
  }
}
