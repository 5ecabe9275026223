// What becomes of sandboxes where a process may open no more files: nothing is left open, on disk or claimed, and what
// to do is said.
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { compiledProgram } from '../compiled.ts'
import { startFakeDocker } from '../fakes/docker-engine.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'scarce-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

const scarce = async (kind: string, ...more: string[]) => {
  const program = compiledProgram('test/sandboxes/scarce')
  const script = 'ulimit -n 200; exec "$@"'
  const args = [process.execPath, program, kind, join(folder, kind), ...more]
  const { stdout } = await promisify(execFile)('/bin/sh', ['-c', script, 'scarce', ...args])
  return JSON.parse(stdout)
}

const nothing = { leaked: 0, folders: [], claims: 0 }
/** The user of the last sandbox is kept for the next one. */
const kept = process.getuid?.() === 0 ? 1 : 0

it.each(['bubblewrap', 'process'])('%s', async (kind) => {
  expect(await scarce(kind)).toEqual({
    ...{ first: 'exit here', last: 'exit here' },
    said: ['exit here', 'sandbox_unavailable: ulimit -n'],
    left: { ...nothing, claims: kind === 'bubblewrap' ? kept : 0 },
    living: { reaped: expect.stringMatching(/EMFILE|sandbox_unavailable/), reason: 'exit', code: 0, isThere: true },
  })
})

it('containers', async () => {
  const docker = await startFakeDocker()
  docker.elsewhere.set('ghcr.io/acme/tools:1', { lines: [], ends: true })
  const refused = expect.stringContaining('no space left on device')
  try {
    expect(await scarce('docker', docker.socket)).toEqual({
      ...{ first: refused, last: refused },
      said: expect.arrayContaining(['sandbox_unavailable: ulimit -n']),
      left: nothing,
      living: {},
    })
  } finally {
    await docker.stop()
  }
})
