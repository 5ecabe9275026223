// What a loss of power leaves: the disk forgets whatever it was not told to sync.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openCallLog } from '../../src/engine/records/call-log.ts'
import { readOrCreate } from '../../src/lib/files/exclusive-file.ts'
import { makeFolder } from '../../src/lib/files/sync-folder.ts'
import { startFakeOpenAi } from '../fakes/openai.ts'
import { makeClient } from './harness/client.ts'
import { type LossyDisk, makeLossyDisk, noLossyDisk, writeTo } from './harness/lossy-disk.ts'
import { adminToken, makeSite } from './harness/site.ts'
import { gatewayKills } from './scenarios/gateway-kills.ts'

const why = noLossyDisk()

describe.skipIf(why)(`a loss of power${why ? ` (skipped: ${why})` : ''}`, () => {
  let disk: LossyDisk
  beforeEach(() => {
    disk = makeLossyDisk()
  })
  afterEach(() => disk.remove())

  it('takes what was not synced, and nothing else', async () => {
    writeTo(disk.folder, 'synced', true)
    writeTo(disk.folder, 'not synced', false)
    disk.cutPower()
    await disk.restore()
    expect(readdirSync(disk.folder).sort()).toEqual(['lost+found', 'synced'])
  })

  it('leaves a secret that was made a moment ago', async () => {
    const path = join(disk.folder, 'new', 'data', 'secret-key')
    makeFolder(join(disk.folder, 'new', 'data'))
    readOrCreate(path, () => 'a secret')
    disk.cutPower()
    await disk.restore()
    expect(readFileSync(path, 'utf8')).toBe('a secret\n')
  })

  it('leaves synced lines of the call log, also those in the file before', async () => {
    const folder = join(disk.folder, 'data', 'spill')
    const calls = openCallLog(folder)
    const large = calls.append(Buffer.from(`${'a'.repeat(9_000_000)}\n`))
    const last = calls.append(Buffer.from('b\n'))
    expect(last.file).not.toBe(large.file)
    await calls.sync(last)
    const after = calls.append(Buffer.from('c\n'))
    disk.cutPower()
    for (const { file } of [large, after]) file.close()
    await disk.restore()
    const found: string[] = []
    const reader = openCallLog(folder)
    for (const name of readdirSync(folder))
      for await (const line of reader.lines(join(folder, name))) found.push(line.toString('latin1', 0, 1))
    expect(found.sort()).toEqual(['a', 'b'])
  })

  it('leaves the database and the secrets of a server that was started for the first time a moment ago', async () => {
    const fake = await startFakeOpenAi()
    const site = makeSite(undefined, { disk: disk.folder, isNew: true })
    const client = makeClient()
    const env = { OPENAI_BASE_URL: fake.url }
    try {
      const first = site.spawn(env)
      await client.call(await first.ready, 'POST', '/collections', { name: 'calls' })
      const variables = { environment_variables: { OPENAI_API_KEY: 'sk-crash-tests' } }
      expect((await client.call(await first.ready, 'PATCH', '/collections/calls/environment', variables)).status).toBe(
        200,
      )
      disk.cutPower([first.pid, ...site.stoppedPostgres()])
      await disk.restore()
      const second = site.spawn(env)
      const headers = {
        authorization: `Bearer ${adminToken}`,
        'content-type': 'application/json',
        'x-jetty-collection': 'calls',
      }
      const body = JSON.stringify({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'hello' }] })
      const answer = await fetch(`${await second.ready}/v1/chat/completions`, { method: 'POST', headers, body })
      expect([answer.status, fake.asked.at(-1)?.headers.authorization]).toEqual([200, 'Bearer sk-crash-tests'])
    } finally {
      await site.close()
      await fake.close()
    }
  })
})

describe.skipIf(why)(`losses of power under 100 clients${why ? ` (skipped: ${why})` : ''}`, () => {
  it('cost no call that a client saw complete, over twenty times (sync)', async () => {
    expect(await gatewayKills({ rounds: 20, clients: 100, mode: 'sync', victim: 'power' })).toEqual([])
  })

  it('cost calls in the mode that does not sync: the test above would notice (log)', async () => {
    const wrong = await gatewayKills({ rounds: 5, clients: 100, mode: 'log', victim: 'power' })
    expect(wrong).toContainEqual(expect.stringContaining('no record'))
  })
})
