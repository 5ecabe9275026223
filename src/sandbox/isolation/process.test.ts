import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { pause } from '../../lib/time.ts'
import { killMarked, markOf, markVariable, processesMarked } from './process.ts'

const waiting = { timeout: 20_000, interval: 20 }

let folder: string
let mark: string
const started: ChildProcess[] = []
let made = 0
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'marked-'))
  mark = markOf(`test-marked-${process.pid}`, made++)
})
afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL')
  rmSync(folder, { recursive: true })
})

const start = (file: string, ...args: string[]): ChildProcess => {
  const env = { PATH: process.env.PATH, [markVariable]: mark }
  const child = spawn(file, args, { cwd: folder, env, stdio: 'ignore', detached: true })
  started.push(child)
  return child
}

it('kills what hands on to a child and ends, over and over: when one is looked at, the next one is there', async () => {
  const steps = join(folder, 'steps')
  writeFileSync(join(folder, 'hop'), '#!/bin/sh\necho >> steps\n"$0" &\n', { mode: 0o755 })
  start(join(folder, 'hop'))
  await vi.waitUntil(() => existsSync(steps) && statSync(steps).size > 20, waiting)
  await killMarked(mark)
  const { size } = statSync(steps)
  await pause(300)
  expect(statSync(steps).size).toBe(size)
})

const canLoseItsFirstThread = spawnSync('python3', ['-c', 'import ctypes'], { stdio: 'ignore' }).status === 0

it.runIf(canLoseItsFirstThread)('kills one whose first thread has ended, which shows nothing of itself', async () => {
  const program = `
import ctypes, threading, time
threading.Thread(target=time.sleep, args=(1000,)).start()
ctypes.CDLL(None).pthread_exit(None)
`
  const { pid } = start('python3', '-c', program)
  const state = () => /^State:\s+(\w)[\s\S]*^Threads:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  await vi.waitUntil(() => state()?.[1] === 'Z' && state()?.[2] === '2', waiting)
  expect(processesMarked(mark)).toEqual([pid])
  await killMarked(mark)
  await vi.waitUntil(() => !existsSync(`/proc/${pid}`), waiting)
})

it('waits for nobody who has no environment', async () => {
  const bare = spawn('sleep', ['1000'], { env: {}, stdio: 'ignore' })
  started.push(bare)
  const begunMs = performance.now()
  for (let turn = 0; turn < 5; turn++) await killMarked(mark)
  expect(performance.now() - begunMs).toBeLessThan(8_000) // of ten seconds and more
  expect(bare.exitCode).toBe(null)
})
