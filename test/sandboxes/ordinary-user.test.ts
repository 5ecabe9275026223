// Sandboxes of a server that is not root: no users of their own, no mounts of its own, limits by what its system gives it.
import { execFile } from 'node:child_process'
import { chownSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { closedOnTheWay } from '../../src/sandbox/isolation/bubblewrap/host.ts'
import { compiledProgram } from '../compiled.ts'

const uid = 61_234

it.runIf(process.getuid?.() === 0)(
  'isolate, reach their gateway, and end with all that they started',
  async ({ skip }) => {
    const program = compiledProgram('test/sandboxes/ordinary-user')
    const folder = mkdtempSync(join(tmpdir(), 'ordinary-'))
    skip(
      closedOnTheWay(dirname(program)) !== undefined || closedOnTheWay(tmpdir()) !== undefined,
      'an ordinary user sees no sources here',
    )
    try {
      chownSync(folder, uid, uid)
      const asUser = ['--reuid', String(uid), '--regid', String(uid), '--clear-groups', '--', process.execPath]
      const env = { PATH: process.env.PATH, HOME: folder, TMPDIR: folder }
      const args = [...asUser, program, join(folder, 'sandboxes')]
      const { stdout } = await promisify(execFile)('setpriv', args, { env })
      const { found, remedy, ...said } = JSON.parse(stdout)
      expect(said, `${found} ${remedy}`).toEqual({
        works: true,
        stdout: 'agent\n/home:\nagent\n\n/run:\njetty\ngiven 3\nanswer to /x',
        ...{ made: ['made'], ended: ['exit', 'timed_out', 'disk_full'], bomb: true, living: 0, left: [] },
      })
    } finally {
      rmSync(folder, { recursive: true })
    }
  },
)
