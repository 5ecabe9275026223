import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, test, vi } from 'vitest'
import { events, eventText, type ServerEvent } from './events.ts'

afterEach(() => {
  vi.useRealTimers()
})

const text = (chunk: Uint8Array | undefined) => new TextDecoder().decode(chunk)
const open = (source: (signal: AbortSignal) => AsyncIterable<ServerEvent>, stopping = new AbortController().signal) =>
  (events({ stopping }, source).body as ReadableStream<Uint8Array>).getReader()

test('an event as text; line breaks never end it early', () => {
  expect(eventText({ id: 7, event: 'step', data: '{"a":1}' })).toBe('id: 7\nevent: step\ndata: {"a":1}\n\n')
  expect(eventText({ data: 'a\nb\r\nc\rd' })).toBe('data: a\ndata: b\ndata: c\ndata: d\n\n')
  expect(eventText({ data: '' })).toBe('data: \n\n')
})

test('the stream ends with its source', async () => {
  const reader = open(async function* () {
    yield { data: 'one' }
  })
  const all: string[] = []
  for (let next = await reader.read(); !next.done; next = await reader.read()) all.push(text(next.value))
  expect(all).toEqual([': open\n\n', 'data: one\n\n'])
})

test('the source is not asked for more than the client takes', async () => {
  let made = 0
  const reader = open(async function* () {
    for (;;) yield { data: String(++made) }
  })
  await sleep(20)
  expect(made).toBeLessThanOrEqual(2)
  await reader.cancel()
})

test('a server that stops ends the stream and the source', async () => {
  const stopping = new AbortController()
  let finished = false
  const reader = open(async function* (signal) {
    try {
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
      yield { data: 'too late' }
    } finally {
      finished = true
    }
  }, stopping.signal)
  expect(text((await reader.read()).value)).toBe(': open\n\n')
  const next = reader.read()
  stopping.abort()
  expect((await next).done).toBe(true)
  await vi.waitUntil(() => finished, 20_000)
})

test('a comment every 15 seconds; who reads nothing for a minute is let go', async () => {
  vi.useFakeTimers()
  let gone = false
  const reader = open(async function* (signal) {
    signal.addEventListener('abort', () => {
      gone = true
    })
    await new Promise(() => {})
    yield { data: '' }
  })
  await reader.read()
  await vi.advanceTimersByTimeAsync(15_000)
  expect(text((await reader.read()).value)).toBe(': still here\n\n')
  await vi.advanceTimersByTimeAsync(30_000)
  expect(gone).toBe(false)
  await vi.advanceTimersByTimeAsync(60_000)
  expect(gone).toBe(true)
  await expect(reader.read()).rejects.toThrow('stopped reading')
})
