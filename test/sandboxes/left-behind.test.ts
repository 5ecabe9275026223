// What becomes of sandboxes whose process is killed at once, whatever it was doing; and ten of them beside each other.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { createLogger } from '../../src/lib/log.ts'
import { bubblewrapProvider } from '../../src/sandbox/isolation/bubblewrap/bubblewrap.ts'
import { processProvider } from '../../src/sandbox/isolation/process.ts'
import type { Sandbox, SandboxProvider } from '../../src/sandbox/isolation/sandbox.ts'
import { compiledProgram } from '../compiled.ts'
import { livingWith, newId, runIn, runOnce, smallLimits, uidsOf, uniqueSeconds } from './ground.ts'

const longAgo = new Date('2026-01-01')

const log = createLogger({ level: 'error' })
const providers = {
  bubblewrap: (parent: string) => bubblewrapProvider({ parent, firstUid: 64_000, log }),
  process: (parent: string) => processProvider({ parent, log }),
}

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'left-behind-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

const started = new Set<ChildProcess>()
afterAll(() => {
  for (const child of started) child.kill('SIGKILL')
})

/** A process of its own with sandboxes; resolves when it says a word. */
const hold = (kind: string, parent: string, count: number, seconds: string) => {
  const holder = compiledProgram('test/sandboxes/holder')
  const child = spawn(process.execPath, [holder, kind, parent, String(count), seconds], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: process.env.PATH, TMPDIR: tmpdir() },
  })
  started.add(child)
  let said = ''
  child.stdout.on('data', (chunk) => {
    said += chunk
  })
  return {
    says: (word: string) => vi.waitUntil(() => said.includes(word), { timeout: 50_000, interval: 5 }),
    async kill() {
      child.kill('SIGKILL')
      await once(child, 'exit')
      started.delete(child)
    },
  }
}

const namesIn = (path: string): string[] => {
  try {
    return readdirSync(path)
  } catch {
    return [] // a group that is gone, or one that this user may not look into
  }
}

/** Control groups of the sandboxes that have a run folder in `parent`, wherever this machine has them. */
const groupsOf = (ids: readonly string[], path = '/sys/fs/cgroup', depth = 4): string[] =>
  namesIn(path).flatMap((name) => {
    if (name.startsWith('jetty-')) return ids.some((id) => name.startsWith(`jetty-${id}.`)) ? [join(path, name)] : []
    return depth === 0 || name.includes('.') ? [] : groupsOf(ids, join(path, name), depth - 1)
  })

const mountsWith = (word: string): string[] =>
  readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .filter((line) => line.includes(word))

describe('a process that is killed', () => {
  it('takes everything along that runs in its sandboxes; what is on disk is removed by the next one', async () => {
    const parent = join(folder, 'together')
    const seconds = uniqueSeconds()
    const holder = hold('bubblewrap', parent, 2, seconds)
    await holder.says('up')
    const ids = readdirSync(parent)
    expect(livingWith(seconds).length).toBeGreaterThan(5)
    await holder.kill()
    await vi.waitUntil(() => livingWith(seconds).length === 0, { timeout: 20_000 })
    expect(mountsWith(parent)).toEqual([])
    expect(ids).toHaveLength(2)

    expect(await providers.bubblewrap(parent).reap()).toBe(2)
    expect(readdirSync(parent)).toEqual([])
    expect(groupsOf(ids)).toEqual([])
  })

  it.each([0, 30, 60, 85, 125])('%i ms after it has begun, leaves nothing that runs either', async (ms) => {
    const parent = join(folder, `early-${ms}`)
    const seconds = uniqueSeconds()
    const holder = hold('bubblewrap', parent, 3, seconds)
    await holder.says('ready')
    await new Promise((resolve) => setTimeout(resolve, ms))
    await holder.kill()
    await vi.waitUntil(() => livingWith(seconds).length + livingWith(parent).length === 0, { timeout: 20_000 })
    const ids = namesIn(parent)
    for (const id of ids) utimesSync(join(parent, id), longAgo, longAgo) // one may not have said yet whose it is
    await providers.bubblewrap(parent).reap()
    expect(namesIn(parent)).toEqual([])
    expect(groupsOf(ids)).toEqual([])
  })

  it('of a folder that does not say whose it is, waits for a minute', async () => {
    const parent = join(folder, 'nameless')
    mkdirSync(join(parent, 'one'), { recursive: true })
    expect(await providers.bubblewrap(parent).reap()).toBe(0)
    utimesSync(join(parent, 'one'), longAgo, longAgo)
    expect(await providers.bubblewrap(parent).reap()).toBe(1)
    expect(namesIn(parent)).toEqual([])
  })

  it('leaves a plain process running, and the next one ends it', async () => {
    const parent = join(folder, 'plain')
    const seconds = uniqueSeconds()
    const holder = hold('process', parent, 1, seconds)
    await holder.says('up')
    await holder.kill()
    expect(livingWith(seconds)).not.toEqual([])
    expect(await providers.process(parent).reap()).toBe(1)
    await vi.waitUntil(() => livingWith(seconds).length === 0, { timeout: 20_000 })
    expect(readdirSync(parent)).toEqual([])
  })
})

it('what a living process has is not removed by another one', async () => {
  const parent = join(folder, 'alive')
  const sandbox = await providers.bubblewrap(parent).create({ id: newId(), limits: smallLimits })
  try {
    expect(await providers.bubblewrap(parent).reap()).toBe(0)
    expect(await runIn(sandbox, 'echo here')).toMatchObject({ stdout: 'here\n' })
  } finally {
    await sandbox.destroy()
  }
})

/** Commands for which pipes are made at once; those of the next ones stay open (`named-pipes.ts`). */
const commandsOfPipes = 4

/** Descriptors that this process has open when it keeps fewest pipes for the next commands. */
const fewestOpenFiles = async (provider: SandboxProvider): Promise<number> => {
  let fewest = Number.POSITIVE_INFINITY
  for (let command = 0; command < commandsOfPipes; command++) {
    await runOnce(provider, 'true')
    fewest = Math.min(fewest, readdirSync('/proc/self/fd').length)
  }
  return fewest
}

it('one that is cancelled at any moment of its launch has ended soon after, with all that it has started', async () => {
  const provider = providers.bubblewrap(join(folder, 'cancelled'))
  const seconds = uniqueSeconds()
  const reasons: string[] = []
  const before = await fewestOpenFiles(provider)
  const sandbox = await provider.create({ id: newId(), limits: smallLimits })
  try {
    for (let ms = 0; ms < 50; ms++) {
      const { reason } = await runIn(sandbox, `sleep ${seconds}`, { signal: AbortSignal.timeout(ms) })
      reasons.push(reason)
    }
  } finally {
    await sandbox.destroy()
  }
  expect(new Set(reasons)).toEqual(new Set(['cancelled']))
  expect(livingWith(seconds)).toEqual([])
  await expect.poll(() => fewestOpenFiles(provider), { timeout: 20_000 }).toBeLessThanOrEqual(before)
})

it('ten at once have users, folders and gateways of their own, and nothing of each other', async () => {
  const provider = providers.bubblewrap(join(folder, 'ten'))
  const names = Array.from({ length: 10 }, (_, at) => `number-${at}-unmistakable`)
  const uids: number[] = []
  let here = 0
  let meet: () => void = () => {}
  const everybodyIsHere = new Promise<void>((resolve) => {
    meet = resolve
  })
  const one = async (name: string) => {
    const sandbox = await provider.create({ id: newId(), limits: smallLimits })
    const seconds = uniqueSeconds()
    // Its gateway answers once all ten have asked.
    const stop = await listen(sandbox, async (asked) => {
      uids.push(...uidsOf(livingWith(seconds)).filter((uid) => uid >= 64_000))
      if (++here === names.length) meet()
      await everybodyIsHere
      return `${name} answers ${asked}\n`
    })
    try {
      const script = [
        `echo ${name} | tee results/mine /tmp/mine > ~/mine; sleep ${seconds} &`,
        'node -e "$ASK"; cat results/mine /tmp/mine ~/mine; ls /app/results /tmp',
        'grep -rhs unmistakable /app/results /tmp /home/agent | sort -u | wc -l',
      ].join('\n')
      return await runIn(sandbox, script, { network: 'gateway', env: { ASK: ask, NAME: name } })
    } finally {
      stop()
      await sandbox.destroy()
    }
  }
  const ran = await Promise.all(names.map(one))
  for (const [at, { stdout, code, stderr }] of ran.entries()) {
    const name = names[at]
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toBe(`${name} answers ${name}\n${name}\n${name}\n${name}\n/app/results:\nmine\n\n/tmp:\nmine\n1\n`)
  }
  if (process.getuid?.() === 0) expect(new Set(uids).size).toBe(10)
})

const ask =
  'require("http").get({ host: "127.0.0.1", port: 3128, path: "/" + process.env.NAME }, (answer) => answer.pipe(process.stdout))'

const listen = async (sandbox: Sandbox, answer: (asked: string) => Promise<string>): Promise<() => void> => {
  const server = createServer(async (request, response) => response.end(await answer(request.url?.slice(1) ?? '')))
  const socket = join(sandbox.folders.gateway, 'gateway.sock')
  await new Promise<void>((resolve) => server.listen(socket, resolve))
  await sandbox.own(socket)
  return () => {
    server.closeAllConnections()
    server.close()
  }
}
