// What becomes of the folder of a sandbox that cannot be removed.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, vi } from 'vitest'
import { createLogger } from '../../src/lib/log.ts'
import { processProvider } from '../../src/sandbox/isolation/process.ts'
import { ownerFileOf } from '../../src/sandbox/isolation/run-folder.ts'
import { newId, runIn, smallLimits } from './ground.ts'

const canMount = () => {
  const place = mkdtempSync(join(tmpdir(), 'mount-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', 'none', place], { stdio: 'ignore' })
    execFileSync('umount', [place])
    return true
  } catch {
    return false
  }
}

it.runIf(canMount())('a folder that cannot be removed ends no run, and whoever starts next removes it', async () => {
  const parent = mkdtempSync(join(tmpdir(), 'not-removed-'))
  const log = createLogger({ level: 'error' })
  const said = vi.spyOn(log, 'error').mockReturnValue()
  const provider = processProvider({ parent, log })
  const id = newId()
  const sandbox = await provider.create({ id, limits: smallLimits })
  expect((await runIn(sandbox, 'true')).code).toBe(0)
  const held = join(sandbox.folders.app, 'results')
  execFileSync('mount', ['-t', 'tmpfs', 'none', held])
  const owner = ownerFileOf(join(parent, id))
  try {
    await sandbox.destroy()
    expect(said).toHaveBeenCalledWith(expect.objectContaining({ sandbox: id }), expect.any(String))
    const text = readFileSync(owner, 'utf8')
    writeFileSync(owner, JSON.stringify({ ...JSON.parse(text), startedAt: 'of another process' }))
    expect(await provider.reap()).toBe(0)
    expect(said).toHaveBeenCalledTimes(2)
  } finally {
    execFileSync('umount', [held])
  }
  expect(await provider.reap()).toBe(1)
  expect(existsSync(join(parent, id))).toBe(false)
})
