import { expect, it } from 'vitest'
import { makeWarmProcess } from './warm-process.ts'

it('tells what ended a process, and starts another', { timeout: 300_000 }, async () => {
  const module = new URL('../../../test/fakes/any.js', import.meta.url).href
  const limits = { seconds: 240, memoryBytes: 512 * 1024 * 1024 }
  const kept = makeWarmProcess<{ how: string }, string>({ module, program: 'ending-process', limits })
  expect(await kept.ask({ how: 'kill' })).toEqual({ end: 'killed' })
  expect(await kept.ask({ how: 'abort' })).toEqual({ end: 'memory' })
  expect(await kept.ask({ how: 'exit' })).toEqual({ end: 'crashed' })
  expect(await kept.ask({ how: 'nothing' })).toEqual({ answer: 'nothing' })
  kept.end()
})
