import { chmodSync, chownSync, closeSync, mkdirSync, mkdtempSync, openSync, rmSync, statSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLogger } from '../../../src/lib/log.ts'
import { pause } from '../../../src/lib/time.ts'
import type { Workflow } from '../../../src/model/workflows/workflow.ts'
import { openDatabase } from '../../../src/store/database/database.ts'
import { type EmbeddedPostgres, startOrAdoptPostgres } from '../../../src/store/database/embedded.ts'
import { postgresPaths } from '../../../src/store/database/postgres-folder.ts'
import { check } from '../harness/checker.ts'
import { makeClient } from '../harness/client.ts'
import { type LossyDisk, makeLossyDisk } from '../harness/lossy-disk.ts'
import { chain } from '../harness/pure.ts'
import { seeded } from '../harness/random.ts'
import { makeSite, type Site } from '../harness/site.ts'
import { openRuns, starts, tell, until, untilAllEnded } from '../harness/storm.ts'

export interface FullDiskSize {
  /**
   * What lies on the disk that becomes full: everything of a server; an external PostgreSQL; only the tables of that, so that
   * its log goes on and it answers reads.
   */
  what: 'everything' | 'postgres' | 'tables'
  rounds: number
  runs: number
}

const megabytes = 500
/** Five seconds, and some for a busy machine. */
const longestAnswerMs = 8_000

/** Takes all space of a disk until the returned function is called. */
const fill = ({ folder }: LossyDisk): (() => void) => {
  const path = join(folder, 'filler')
  const file = openSync(path, 'w')
  for (let bytes = 4 * 1024 * 1024; bytes >= 512; ) {
    try {
      writeSync(file, Buffer.alloc(bytes))
    } catch {
      bytes /= 2
    }
  }
  closeSync(file)
  return () => rmSync(path)
}

/** Output of a step that is stored outside of its row. */
const large: Workflow = {
  init_params: {},
  step_configs: {
    wait: { activity: 'effect', value_path: 'init_params.start', from: 100, to: 1000 },
    long: { activity: 'text_echo', text: 'x'.repeat(300_000) },
  },
  steps: ['wait', 'long'],
}

interface Place {
  site: Site
  postgres: EmbeddedPostgres | undefined
  remove(): Promise<void>
}

const postgresIn = (dataDir: string) => startOrAdoptPostgres({ dataDir, logger: createLogger({ level: 'silent' }) })

const placeOn = async (disk: LossyDisk, what: FullDiskSize['what']): Promise<Place> => {
  if (what === 'everything') {
    const site = makeSite(undefined, { disk: disk.folder })
    return { site, postgres: undefined, remove: site.close }
  }
  const folder = mkdtempSync(join(tmpdir(), 'crash-postgres-'))
  chmodSync(folder, 0o711)
  const home = what === 'postgres' ? disk.folder : folder
  const postgres = await postgresIn(join(home, 'data'))
  if (what === 'tables') {
    const space = join(disk.folder, 'tables')
    mkdirSync(space, { mode: 0o700 })
    const { uid, gid } = statSync(postgresPaths(join(home, 'data')).cluster)
    chownSync(space, uid, gid)
    const admin = openDatabase(postgres.adminUrl, { connections: 1 })
    await admin.query(`create tablespace small location '${space}'`)
    await admin.query('create database crash tablespace small')
    await admin.close()
  }
  const url = new URL(postgres.adminUrl)
  if (what === 'tables') url.pathname = '/crash'
  const site = makeSite(url.href)
  return {
    site,
    postgres,
    async remove() {
      await site.close()
      await postgres.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** A disk becomes full under load, again and again. Calls are answered soon, and no accepted run is lost or fails. */
export const fullDisk = async ({ what, rounds, runs }: FullDiskSize): Promise<string[]> => {
  const name = `full disk under ${what}`
  const random = seeded(name)
  const disk = makeLossyDisk(megabytes)
  const { site, remove } = await placeOn(disk, what)
  const client = makeClient()
  const faults: string[] = []
  let longestMs = 0
  const largeRuns: string[] = []
  try {
    const server = site.spawn({ JETTY_LEAST_FREE_BYTES: '1MiB' })
    const url = await server.ready
    await client.setUp(url, { chain: chain(6) })
    await client.call(url, 'POST', '/collections', { name: 'large' })
    await client.call(url, 'POST', '/tasks/large', { name: 'large', workflow: large })

    const startLarge = async (): Promise<void> => {
      const begun = performance.now()
      const reply = await client
        .call(url, 'POST', '/run/large/large', { init_params: { start: random.between(1, 999_999) } })
        .catch((error) => ({ status: 0, retryAfter: null, body: String(error) }))
      longestMs = Math.max(longestMs, performance.now() - begun)
      if (reply.status === 200) largeRuns.push(reply.body.trajectory_id)
      else if (reply.status !== 503) faults.push(`a start answered ${reply.status}: ${JSON.stringify(reply.body)}`)
      else if (!(Number(reply.retryAfter) > 0)) faults.push('a 503 came without Retry-After')
    }
    const ready = async () => {
      const response = await fetch(`${url}/ready`)
      return { status: response.status, ...((await response.json()) as { database: string; reason: string }) }
    }

    const reasons = new Set<string>()
    for (let round = 0; round < rounds; round++) {
      await client.startMany(url, 'chain', starts(random, runs))
      await Promise.all(Array.from({ length: 10 }, startLarge))
      const empty = fill(disk)
      try {
        for (let call = 0; call < 12; call++) {
          await Promise.all([startLarge(), startLarge()])
          await pause(100)
        }
        await until('the server to say that it cannot write', async () => (await ready()).status === 503)
        const { database, reason } = await ready()
        reasons.add(`${database}: ${reason}`)
      } finally {
        empty()
      }
      await until('the server to be ready', async () => (await ready()).status === 200)
      await until('most runs to end', async () => (await openRuns(site)) < runs)
    }
    const settledMs = await untilAllEnded(site)
    const report = await check(site, { acked: client.acked, lengths: { chain: 6 }, lost: new Set() })
    const ended = await site.rows<{ trajectory_id: string; status: string; error: string | null }>(
      'select trajectory_id, status, error from runs where trajectory_id = any($1::text[])',
      [largeRuns],
    )
    for (const { trajectory_id: id, status, error } of ended) {
      if (status !== 'completed') faults.push(`run ${id} with a large output is ${status}: ${error}`)
    }
    if (ended.length !== largeRuns.length) faults.push(`${largeRuns.length - ended.length} runs were lost`)
    tell(name, report, {
      accepted: largeRuns.length + client.acked.length,
      longestMs,
      reasons: [...reasons],
      settledMs,
    })
    if (longestMs > longestAnswerMs) faults.push(`a start was answered after ${Math.round(longestMs)} ms`)
    if (!server.alive) faults.push('the server died')
    const { code } = await server.stop()
    if (code !== 0) faults.push(`exit code ${code}`)
    return [...new Set([...faults, ...report.violations])]
  } finally {
    await remove()
    disk.remove()
  }
}
