import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import {
  betweenEffects,
  eventsOf,
  faultsOf,
  manyResults,
  mustStart,
  objectsStored,
} from '../harness/carried-runbook.ts'
import { makeClient } from '../harness/client.ts'
import { firstUid, sandboxesLeft } from '../harness/sandboxes-left.ts'
import { makeSite } from '../harness/site.ts'
import { until, untilAllEnded } from '../harness/storm.ts'

const env = { JETTY_SANDBOX_UID: String(firstUid) }
const many = manyResults(150)

/** Postgres is killed while an agent works, and while its results are kept: the runs go on without a second agent. */
export const runbookPostgresKilled = async (): Promise<string[]> => {
  const site = makeSite()
  const client = makeClient()
  const faults: string[] = []
  try {
    const server = site.spawn(env)
    const url = await server.ready
    const script = [many.script, 'sleep 1.5']
    await client.setUp(url, { postgres: betweenEffects({ script }) })
    for (const moment of ['working', 'collecting'] as const) {
      const before = objectsStored(site).length
      const run = await mustStart(client, url, 'postgres')
      const works = async () => (await eventsOf(site, run.trajectoryId)).some(({ type }) => type === 'tool_call')
      await until(moment, moment === 'working' ? works : () => objectsStored(site).length > before + 10)
      site.killPostgres()
      const settledMs = await untilAllEnded(site)
      const found = await faultsOf({ site, client, url }, run, many.results, 1)
      faults.push(...found.map((fault) => `${moment}: ${fault}`))
      faults.push(...(await sandboxesLeft(site.dataDir, [run.trajectoryId])))
      console.log('runbook, Postgres killed:', JSON.stringify({ moment, settledMs }))
    }
    if (!server.alive) faults.push('the server died with its Postgres')
    return faults
  } finally {
    await site.close()
  }
}

/** The disk that results are kept on is full: the run fails and says so, and no second agent is started. */
export const runbookDiskFull = async (): Promise<string[]> => {
  const site = makeSite()
  const client = makeClient()
  const faults: string[] = []
  const files = join(site.dataDir, 'files')
  mkdirSync(files, { recursive: true })
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', files])
  try {
    const url = await site.spawn(env).ready
    const script = ['cd /app/results; head -c 500000 /dev/zero > a; head -c 3000000 /dev/zero > b']
    await client.setUp(url, { full: betweenEffects({ script }) })
    const run = await mustStart(client, url, 'full')
    await untilAllEnded(site)
    const { body } = await client.get(url, run)
    const { status, attempt, error_detail: detail } = body.steps.run
    if (body.status !== 'failed' || status !== 'failed' || detail?.code !== 'storage_full' || attempt !== 1) {
      faults.push(`${body.status} after ${attempt} attempts: ${JSON.stringify(detail)}`)
    }
    const begun = (await eventsOf(site, run.trajectoryId)).filter(({ phase }) => phase === 'working').length
    if (begun !== 1) faults.push(`agents worked ${begun} times`)
    faults.push(...(await sandboxesLeft(site.dataDir, [run.trajectoryId])))
    return faults
  } finally {
    await site.close().catch(() => {})
    execFileSync('umount', [files])
    await site.close()
  }
}
