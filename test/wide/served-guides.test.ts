// Guides for those who operate a server, with a server as they have it: `jetty serve` over the embedded PostgreSQL.
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type FakeS3, startFakeS3 } from '../fakes/s3.ts'
import { type Follow, makeCommands, makeFollow, type Values } from '../guides/world.ts'
import { builtProgram } from '../shared.ts'

let home: string
let env: Record<string, string>
let follow: Follow
let s3: FakeS3

/** Starts a server on any port, and returns when it answers; a reader has a second terminal for that. */
const startsServer = `#!/bin/sh
log="$HOME/served-$$.log"
JETTY_PORT=0 setsid jetty serve > "$log" 2> "$log.err" < /dev/null &
server=$!
until grep -q '"ready"' "$log"; do
  kill -0 $server || { cat "$log.err"; exit 1; }
  sleep 0.1
done
`
const served: Values = [['jetty serve', 'serve-in-background']]

const jetty = (args: string[], more: Record<string, string> = {}) =>
  spawnSync('jetty', args, { env: { ...env, ...more }, encoding: 'utf8', timeout: 60_000 })

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'jetty-operator-'))
  chmodSync(home, 0o755) // the embedded PostgreSQL is another user where this one is root
  const commands = makeCommands(home, await builtProgram())
  writeFileSync(join(commands, 'serve-in-background'), startsServer, { mode: 0o755 })
  env = { PATH: `${commands}:${process.env.PATH}`, HOME: home, NO_COLOR: '1' }
  follow = makeFollow(home, env)
  s3 = await startFakeS3()
  expect(spawnSync('serve-in-background', { env, encoding: 'utf8' })).toMatchObject({ status: 0 })
}, 120_000)
afterAll(async () => {
  for (const folder of ['.jetty', '.jetty-restored', 'fresh']) jetty(['stop'], { JETTY_DATA_DIR: join(home, folder) })
  await s3?.close()
  rmSync(home, { recursive: true, force: true, maxRetries: 5 })
})

it('the data folder', async () => {
  const [listed] = await follow('data-folder')
  for (const name of ['db', 'files', 'secret-key']) expect(listed?.split('\n')).toContain(name)
})

it('a crash, and the run that goes on', async () => {
  const values: Values = [
    ['npm start', 'serve-in-background'],
    ['seconds=10', 'seconds=4'],
  ]
  expect((await follow('crash-recovery', values)).join()).toContain('Awake again')
})

it('another encryption key', async () => {
  expect((await follow('encryption-key')).join()).toMatch(/\d+ of \d+ encrypted with key/)
})

it('files in a bucket', async () => {
  writeFileSync(join(home, 'note.txt'), 'A file to copy.')
  const stored = jetty(['run', 'demo/summarize-file', '-f', join(home, 'note.txt'), '--wait'])
  expect(stored.status, stored.stderr).toBe(0)
  const { location, accessKeyId, secretAccessKey } = s3
  await follow('storage', [
    ['s3://acme-jetty/files?region=eu-west-1', location],
    ['AKIA…', accessKeyId],
    ['SECRET_ACCESS_KEY=…', `SECRET_ACCESS_KEY=${secretAccessKey}`],
    ['--to s3://acme-jetty/files ', `--to '${location}' `],
    ['jetty doctor', 'jetty doctor || true'],
    ['jetty serve', 'JETTY_DATA_DIR=~/fresh serve-in-background'],
    ['jetty storage copy    ', `JETTY_STORAGE='${location}' JETTY_STORAGE_FROM=disk jetty storage copy    `],
  ])
  expect([...s3.objects.keys()].some((key) => key.includes('objects/'))).toBe(true)
})

it('a backup, its restore, and a copy of the folder', async () => {
  const printed = await follow('backup', [...served, ['JETTY_PORT=7171', 'JETTY_PORT=0']])
  expect(printed[0]).toMatch(/whole/)
  expect(spawnSync('serve-in-background', { env, encoding: 'utf8' })).toMatchObject({ status: 0 })
  expect(jetty(['runs', 'ls', 'demo/patience', '--json']).stdout).toContain('"completed"')
})

it('a server is stopped', async () => {
  await follow('deploy')
  expect(jetty(['status']).stdout).not.toContain('pid')
})
