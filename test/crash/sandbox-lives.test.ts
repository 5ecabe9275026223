// Processes that make sandboxes, use them and take them down, killed at any moment of that: nothing of them runs, and the
// next one finds everything else that they have left.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { createLogger } from '../../src/lib/log.ts'
import { bubblewrapProvider } from '../../src/sandbox/isolation/bubblewrap/bubblewrap.ts'
import { processProvider } from '../../src/sandbox/isolation/process.ts'
import { livingWith, uniqueSeconds } from '../sandboxes/ground.ts'

const rounds = 5
const longestMs = 1_500
const longAgo = new Date('2026-01-01')
const ordinaryUid = 64_998

const log = createLogger({ level: 'error' })
const providers = {
  bubblewrap: (parent: string) => bubblewrapProvider({ parent, firstUid: 64_000, log }),
  process: (parent: string) => processProvider({ parent, log }),
}

const cycler = fileURLToPath(new URL('../sandboxes/cycler.ts', import.meta.url))
const wordsOf = (uid: number): string[] => ['setpriv', '--reuid', `${uid}`, '--regid', `${uid}`, '--clear-groups']

/** Whether root can start what is here as somebody else: the folders on the way may be closed. */
const isOpenToOthers = (): boolean => {
  const [file = '', ...args] = wordsOf(ordinaryUid)
  return process.getuid?.() === 0 && spawnSync(file, [...args, 'test', '-r', cycler]).status === 0
}

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lives-'))
  chmodSync(folder, 0o755)
})
afterAll(() => rmSync(folder, { recursive: true }))

const groupsOf = (pid: number, path = '/sys/fs/cgroup', depth = 4): string[] => {
  let names: string[] = []
  try {
    names = readdirSync(path)
  } catch {
    // one that is gone
  }
  return names.flatMap((name) => {
    if (name.startsWith('jetty-')) return name.includes(`.${pid}-`) ? [name] : []
    return depth === 0 || name.includes('.') ? [] : groupsOf(pid, join(path, name), depth - 1)
  })
}

/** Starts one, lets it work for a while, and kills it. Gives its id. */
const killed = async (
  kind: string,
  parent: string,
  { seconds, uid, scratch }: { seconds: string; uid: number | undefined; scratch: string },
): Promise<number> => {
  const node = [process.execPath, '--import', 'tsx', cycler, kind, parent, seconds]
  const [file = '', ...args] = uid === undefined ? node : [...wordsOf(uid), ...node]
  const child = spawn(file, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, HOME: scratch, TMPDIR: scratch },
  })
  await Promise.race([once(child.stdout, 'data'), once(child, 'exit')])
  await new Promise((resolve) => setTimeout(resolve, Math.random() * longestMs))
  expect(child.exitCode).toBe(null)
  child.kill('SIGKILL')
  await once(child, 'exit')
  return child.pid ?? 0
}

it.each([
  ['bubblewrap', undefined],
  ['process', undefined],
  ...(isOpenToOthers() ? [['bubblewrap', ordinaryUid] as const] : []), // who has no control groups
] as const)('%s, as user %s', async (kind, uid) => {
  for (let round = 0; round < rounds; round++) {
    const parent = join(folder, `${kind}-${uid}-${round}`)
    const scratch = `${parent}.tmp`
    for (const own of [parent, scratch]) {
      mkdirSync(own)
      if (uid !== undefined) chownSync(own, uid, uid)
    }
    const seconds = uniqueSeconds()
    const pid = await killed(kind, parent, { seconds, uid, scratch })
    const living = () => livingWith(seconds).length + livingWith(parent).length
    if (kind === 'bubblewrap') await vi.waitUntil(() => living() === 0, { timeout: 30_000 })
    for (const id of readdirSync(parent)) utimesSync(join(parent, id), longAgo, longAgo)
    await providers[kind](parent).reap()
    await vi.waitUntil(() => living() === 0, { timeout: 30_000 })
    expect(readdirSync(parent)).toEqual([])
    expect(groupsOf(pid)).toEqual([])
  }
})
