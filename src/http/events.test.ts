import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, test, vi } from 'vitest'
import { events, eventText, type ServerEvent } from './events.ts'

afterEach(() => {
  vi.useRealTimers()
})

const open = (source: (signal: AbortSignal) => AsyncIterable<ServerEvent>, stopping = new AbortController().signal) =>
  events({ ending: stopping }, source).body as Readable

/** Reads a stream chunk by chunk; undefined at its end. */
const reading = (stream: Readable) => {
  const chunks = stream[Symbol.asyncIterator]()
  return async (): Promise<string | undefined> => {
    const { value, done } = await chunks.next()
    return done ? undefined : String(value)
  }
}

test('an event as text; line breaks never end it early', () => {
  expect(eventText({ id: 7, event: 'step', data: '{"a":1}' })).toBe('id: 7\nevent: step\ndata: {"a":1}\n\n')
  expect(eventText({ data: 'a\nb\r\nc\rd' })).toBe('data: a\ndata: b\ndata: c\ndata: d\n\n')
  expect(eventText({ data: '' })).toBe('data: \n\n')
})

test('the stream ends with its source', async () => {
  const stream = open(async function* () {
    yield { data: 'one' }
  })
  const all: string[] = []
  for await (const chunk of stream) all.push(String(chunk))
  expect(all.join('')).toBe(': open\n\ndata: one\n\n')
})

test('the source is not asked for more than the client takes', async () => {
  let made = 0
  const stream = open(async function* () {
    for (;;) yield { data: String(++made) }
  })
  await reading(stream)()
  await sleep(20)
  expect(made).toBeLessThanOrEqual(2)
  stream.destroy()
})

test('a client that leaves ends the source', async () => {
  let finished = false
  const stream = open(async function* () {
    try {
      for (;;) yield { data: 'more' }
    } finally {
      finished = true
    }
  })
  const read = reading(stream)
  while (!(await read())?.includes('more'));
  stream.destroy()
  await vi.waitUntil(() => finished, 20_000)
})

test('a source that fails breaks the stream off', async () => {
  const read = reading(
    open(async function* () {
      yield { data: 'one' }
      throw new Error('the disk is gone')
    }),
  )
  const all = async () => {
    while ((await read()) !== undefined);
  }
  await expect(all()).rejects.toThrow('the disk is gone')
})

test('a server that stops ends the stream and the source', async () => {
  const stopping = new AbortController()
  let finished = false
  const read = reading(
    open(async function* (signal) {
      try {
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
        yield { data: 'too late' }
      } finally {
        finished = true
      }
    }, stopping.signal),
  )
  expect(await read()).toBe(': open\n\n')
  const next = read()
  stopping.abort()
  expect(await next).toBeUndefined()
  await vi.waitUntil(() => finished, 20_000)
})

test('a stream that is opened while the server stops ends at once', async () => {
  const stopping = AbortSignal.abort()
  const read = reading(
    open(async function* () {
      yield { data: 'never' }
    }, stopping),
  )
  expect(await read()).toBeUndefined()
})

test('a comment every 15 seconds; a client that reads nothing for a minute is disconnected', async () => {
  vi.useFakeTimers()
  let gone = false
  const stream = open(async function* (signal) {
    signal.addEventListener('abort', () => {
      gone = true
    })
    await new Promise(() => {})
    yield { data: '' }
  })
  const read = reading(stream)
  await read()
  await vi.advanceTimersByTimeAsync(15_000)
  expect(await read()).toBe(': still here\n\n')
  await vi.advanceTimersByTimeAsync(30_000)
  expect(gone).toBe(false)
  await vi.advanceTimersByTimeAsync(90_000)
  expect(gone).toBe(true)
  await expect(
    (async () => {
      while ((await read()) !== undefined);
    })(),
  ).rejects.toThrow('stopped reading')
})
