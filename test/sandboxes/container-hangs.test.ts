// An engine that stops answering, whatever it was asked: a run that is cancelled ends all the same, and so do those who
// tidy up.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { createLogger } from '../../src/lib/log.ts'
import { pause } from '../../src/lib/time.ts'
import { containerProvider } from '../../src/sandbox/isolation/containers/containers.ts'
import { openEngine } from '../../src/sandbox/isolation/containers/engine.ts'
import type { SandboxProvider } from '../../src/sandbox/isolation/sandbox.ts'
import { type FakeDocker, startFakeDocker } from '../fakes/docker-engine.ts'
import { newId, runIn, smallLimits } from './ground.ts'

const image = 'ghcr.io/acme/tools:1'

let parent: string
let docker: FakeDocker
let provider: SandboxProvider
beforeAll(async () => {
  parent = mkdtempSync(join(tmpdir(), 'hangs-'))
  docker = await startFakeDocker()
  docker.elsewhere.set(image, { lines: [], ends: true })
  docker.canRun = true
  const log = createLogger({ level: 'silent' })
  const common = { parent, firstUid: 64_000, log }
  provider = containerProvider({ ...common, name: 'docker', socket: docker.socket, defaultImage: image })
  await (await provider.create({ id: newId(), limits: smallLimits })).destroy() // with its image fetched and tried
})
beforeEach(() => docker.hangs.clear())
afterAll(async () => {
  await docker?.stop()
  rmSync(parent, { recursive: true })
})

const openFiles = () => readdirSync('/proc/self/fd').length

it.each(['create', 'start', 'json'])('a run is cancelled while %s hangs', async (word) => {
  const before = openFiles()
  docker.hangs.add(word)
  const sandbox = await provider.create({ id: newId(), limits: smallLimits })
  const cancel = new AbortController()
  const running = runIn(sandbox, 'sleep 1000', { signal: cancel.signal })
  await expect.poll(() => docker.asked.at(-1)).toMatch(new RegExp(`/containers/.*${word}`))
  cancel.abort()
  expect((await running).reason).toBe('cancelled')
  await sandbox.destroy()
  expect(readdirSync(parent)).toEqual([])
  await expect.poll(() => openFiles() - before).toBeLessThanOrEqual(2) // the engine's two ends of what it never answers
})

it('twenty that are cancelled and destroyed at any moment leave nothing', async () => {
  const before = { files: openFiles(), containers: docker.containers }
  await Promise.all(
    Array.from({ length: 20 }, async () => {
      const sandbox = await provider.create({ id: newId(), limits: smallLimits })
      const running = runIn(sandbox, 'sleep 1000', { signal: AbortSignal.timeout(Math.floor(Math.random() * 200)) })
      if (Math.random() < 0.5) await running
      await sandbox.destroy()
      expect((await running).reason).toBe('cancelled')
    }),
  )
  expect(readdirSync(parent)).toEqual([])
  await expect.poll(() => docker.containers).toEqual(before.containers)
  await expect.poll(openFiles).toBeLessThanOrEqual(before.files)
})

it('a container that runs on while its engine is restarted is not lost', async () => {
  const engine = await openEngine(docker.socket)
  const container = await engine.start({ name: 'runs-on' }, new AbortController().signal)
  let end: unknown
  const ending = container.ended().then((ended) => {
    end = ended
  })
  await expect.poll(() => docker.asked.at(-1)).toMatch(/\/containers\/.*wait/)
  const restarting = await docker.leave()
  await pause(300)
  await restarting.back()
  expect(end).toBeUndefined()
  await container.kill()
  await ending
  expect(end).toMatchObject({ code: 137 })
  await container.remove()
  await expect(container.ended()).resolves.toMatchObject({ code: null })
})

it('what tidies up waits so long and no longer', async () => {
  docker.hangs.add('remove')
  const engine = await openEngine(docker.socket, 50)
  await expect(engine.remove('any')).rejects.toMatchObject({
    code: 'sandbox_unavailable',
    message: expect.stringContaining('no answer within'),
  })
})
