import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { utimes } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { openDiskObjects } from '../../src/store/objects/disk.ts'
import { compiledProgram } from '../compiled.ts'
import { seeded } from './harness/random.ts'

it('no object is lost or doubled, however often those who look for nameless ones are killed', async () => {
  const random = seeded('sweeps')
  const folder = mkdtempSync(join(tmpdir(), 'jetty-sweeps-'))
  const longAgo = new Date(Date.now() - 90 * 86_400_000)
  writeFileSync(join(folder, 'databases'), `one ${longAgo.toISOString()}\n`)
  const objects = await openDiskObjects(folder, async () => ({ installation: 'one', origin: '1/1/1' }))
  const filesIn = (name: string) =>
    readdirSync(join(folder, name), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  const ids: string[] = []
  for (let n = 0; n < 200; n++) ids.push((await objects.put(Buffer.from(`object ${n}`), { maxBytes: 1000 })).id)
  const old = new Date(Date.now() - 2 * 86_400_000)
  // Only while nobody sweeps: an object that gets old between the touch and the move of a sweep may be removed.
  const age = () => Promise.all(filesIn('objects').map((file) => utimes(join(file.parentPath, file.name), old, old)))
  const parts = [...new Set(ids.map((id) => String(Number.parseInt(id.slice(0, 2), 16))))]
  const program = compiledProgram('test/crash/harness/sweeper')
  for (let kills = 0; kills < 20; kills++) {
    await age()
    const sweepers = [1, 2].map(() =>
      spawn(process.execPath, [program, folder, ...parts], { stdio: ['ignore', 'pipe', 'inherit'] }),
    )
    await Promise.all(sweepers.map((one) => once(one.stdout, 'data')))
    await delay(random.between(1, 150))
    const ends = sweepers.map((one) => once(one, 'exit'))
    for (const one of sweepers) one.kill('SIGKILL')
    await Promise.all(ends)
    const read = await Promise.all(ids.map(async (id) => (await buffer((await objects.open(id)).stream)).toString()))
    expect(read).toEqual(ids.map((_, n) => `object ${n}`))
  }
  for (const part of parts)
    await objects.sweepUnnamed({ part: Number(part), days: 1, named: async (some) => new Set(some) })
  const left = [filesIn('objects'), filesIn('unnamed')].map((files) => files.map(({ name }) => name).sort())
  expect(left).toEqual([[...ids].sort(), []])
  rmSync(folder, { recursive: true })
})
