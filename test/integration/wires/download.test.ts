import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestServer, type TestServer } from '../../server.ts'

let jetty: TestServer
beforeAll(async () => {
  jetty = await startTestServer()
})
afterAll(() => jetty?.close())

const saving = {
  step_configs: {
    read: { activity: 'read_uploaded_file' },
    save: { activity: 'save_text_file', text_path: 'read.outputs.content', filename: 'Übersicht.md' },
  },
  steps: ['read', 'save'],
}

const download = async (path: string, token = jetty.server.adminToken) =>
  fetch(`${jetty.url}/api/v1/trajectory/${path}/download`, { headers: { authorization: `Bearer ${token}` } })

test('a run is downloaded as an archive of its document and its files', async () => {
  const done = await jetty.run(saving, {}, { 'in.txt': 'from outside', 'big.bin': new Uint8Array(300_000) })
  const answer = await download(`acme/t1/${done.trajectory_id}`)
  expect([answer.status, answer.headers.get('content-type'), answer.headers.get('content-disposition')]).toEqual([
    200,
    'application/zip',
    `attachment; filename="${done.trajectory_id}.zip"`,
  ])
  const bytes = Buffer.from(await answer.arrayBuffer())
  expect(bytes.subarray(0, 4).toString('latin1')).toBe('PK\x03\x04')
  expect(bytes.length).toBeLessThan(20_000) // the zeros are packed
  const id = done.trajectory_id
  const names = ['trajectory.json', `${id}.00.txt`, `${id}.01.bin`, `${id}.save.0000.Übersicht.md`]
  for (const name of names) expect(bytes.includes(name)).toBe(true)

  if (spawnSync('python3', ['-c', 'import zipfile']).status !== 0) return // an unpacker that is not ours
  const folder = mkdtempSync(join(tmpdir(), 'jetty-zip-'))
  writeFileSync(join(folder, 'run.zip'), bytes)
  execFileSync('python3', ['-m', 'zipfile', '-e', 'run.zip', 'out'], {
    cwd: folder,
    env: { ...process.env, LC_ALL: 'C.UTF-8' },
  })
  const read = (name: string) => readFileSync(join(folder, 'out', name))
  expect(JSON.parse(read('trajectory.json').toString())).toEqual(await jetty.get('t1', id))
  expect(names.slice(1).map((name) => read(name).length)).toEqual([12, 300_000, 12])
  rmSync(folder, { recursive: true })
})

test('a run without files, one that is not there, and one of others', async () => {
  const done = await jetty.run({})
  expect((await download(`${done.name}/${done.trajectory_id}`)).status).toBe(200)
  expect((await download(`${done.name}/cafecafe`)).status).toBe(404)
  await jetty.call('POST', '/api/v1/collections', { name: 'other' })
  const key = (await jetty.call('POST', '/api/v1/api-keys', { name: 'k', collection_name: 'other' })).body.api_key
  expect((await download(`${done.name}/${done.trajectory_id}`, key)).status).toBe(404)
})
