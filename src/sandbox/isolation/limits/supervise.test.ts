import { Readable } from 'node:stream'
import { expect, it } from 'vitest'
import { supervise } from './supervise.ts'

const limits = { memoryBytes: 1, pids: 1, cpus: 1, diskBytes: 1, diskFiles: 1, outputBytes: 8 }

/** Prints chunks, and goes on until it is killed where it is told to. */
const printing = async (chunks: string[], isEndless: boolean) => {
  let taken = ''
  let end: () => void = () => {}
  const closed = new Promise<void>((resolve) => {
    end = resolve
  })
  const stdout = new Readable({ objectMode: true, read() {} }) // keeps the chunks apart
  const kill = () => {
    stdout.push(null)
    end()
  }
  for (const chunk of chunks) stdout.push(Buffer.from(chunk))
  if (!isEndless) kill()
  const supervised = await supervise(
    { stdout, stderr: Readable.from([]), closed, kill, terminate: kill },
    {
      argv: [],
      env: {},
      network: 'none',
      wallMs: 60_000,
      signal: new AbortController().signal,
      onOutput(_stream, chunk) {
        taken += chunk
      },
    },
    limits,
    [],
  )
  return { stopped: supervised.stopped, taken }
}

it.each([
  ['in the middle of a chunk', ['123456', '789']],
  ['where a chunk ends', ['1234', '5678', '9']],
])('stops what prints beyond its limit: %s', async (_where, chunks) => {
  expect(await printing(chunks, true)).toEqual({ stopped: 'output_limit', taken: '12345678' })
})

it('lets what prints as much as it may end by itself', async () => {
  expect(await printing(['1234', '5678'], false)).toEqual({ stopped: undefined, taken: '12345678' })
})

it('fails with whoever takes the output no more, and only when what prints has ended', async () => {
  let hasEnded = false
  let end: () => void = () => {}
  const closed = new Promise<void>((resolve) => {
    end = resolve
  }).then(() => {
    hasEnded = true
  })
  const kill = () => setTimeout(end, 50)
  const supervising = supervise(
    { stdout: Readable.from([Buffer.from('1')]), stderr: Readable.from([]), closed, kill, terminate: kill },
    {
      ...{ argv: [], env: {}, network: 'none', wallMs: 60_000, signal: new AbortController().signal },
      onOutput() {
        throw new Error('cannot take it')
      },
    },
    limits,
    [],
  )
  await expect(supervising).rejects.toThrow('cannot take it')
  expect(hasEnded).toBe(true)
})
