import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { endHeldOutputs, openCommandPipes } from './command-pipes.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pipes-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

it('an output that is still held open ends, though something comes while the last of it is being taken', async () => {
  const pipes = await openCommandPipes(join(folder, 'pipes'), undefined, undefined)
  const script = 'echo first; read line; echo late; exec sleep 1000'
  const [, output, errors] = pipes.descriptors
  const holder = spawn('sh', ['-c', script], { stdio: ['pipe', output, errors] })
  await once(holder, 'spawn')
  await pipes.start(['true'], { stdio: pipes.descriptors })
  const taken: string[] = []
  try {
    const bothEnded = once(pipes.stderr.resume(), 'close')
    const over = endHeldOutputs([pipes.stdout, pipes.stderr])
    for await (const chunk of pipes.stdout) {
      taken.push(String(chunk))
      await bothEnded
      holder.stdin?.write('go on\n')
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
    await over
    expect(taken).toEqual(['first\n'])
  } finally {
    holder.kill('SIGKILL')
    pipes.discard()
  }
})
