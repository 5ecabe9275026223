// The limits of the process, with a process: what exceeds them is ended, and the next work starts another.
import { describe, expect, it } from 'vitest'
import { makeTestContext, runActivity } from '../../../test/activity-context.ts'
import { parseDocumentStep, renderDocument } from './document-activities.ts'
import { joinItems, transform } from './list-activities.ts'

const memoryBytes = 160 * 1024 * 1024 // twice what the process has when it begins
const inputBytes = 32 * 1024 * 1024
const short = () => makeTestContext({ settings: { transformLimits: { seconds: 0.3, memoryBytes, inputBytes } } })
/** Long enough to reach the limit of memory on a machine that is not busy. */
const bounded = () => makeTestContext({ settings: { transformLimits: { seconds: 15, memoryBytes, inputBytes } } })
const patient = () => makeTestContext({ settings: { transformLimits: { seconds: 120, memoryBytes, inputBytes } } })
const endless = '($f := function($x){ $f($x + 1) }; $f(0))'

describe('what takes too long or too much', () => {
  it.each([
    ['an endless loop', endless],
    ['a regular expression that backtracks', `$contains("${'a'.repeat(60)}b", /^(a+)+$/)`],
  ])('%s is ended', async (_, expression) => {
    const error = await runActivity(transform, { expression }, short()).catch((thrown) => thrown)
    expect(error).toMatchObject({ code: 'timed_out', message: 'The expression took longer than 0.3 s' })
  })

  it('a memory bomb is ended', async () => {
    const expression = '($f := function($x){ $f($append($x, $x)) }; $f([1..1000]))'
    const error = await runActivity(transform, { expression }, patient()).catch((thrown) => thrown)
    expect(error).toMatchObject({ code: 'too_large', message: expect.stringContaining('160 MiB of memory') })
    expect(await runActivity(transform, { expression: '1 + 1' }, patient())).toEqual({ result: 2, count: 1 })
  })

  it('nested lists of Markdown are ended', async () => {
    const given = { format: 'html', markdown: '- '.repeat(400_000) }
    const error = await runActivity(renderDocument, given, short()).catch((thrown) => thrown)
    // A machine that is not busy reaches the limit of memory first.
    expect(error.message).toMatch(/^Rendering Markdown (took longer than 0.3 s|needs more than 160 MiB|failed: )/)
  })

  it('a join that multiplies wide items is ended, and so is JSON that indents deep ones', async () => {
    const wide = Object.fromEntries(Array.from({ length: 2_000 }, (_, at) => [`m${at}`, at]))
    const given = { left: [{ ...wide, k: 1 }], right: Array.from({ length: 20_000 }, () => ({ k: 1 })), on: 'k' }
    const outcome = await runActivity(joinItems, given, bounded()).catch((thrown) => thrown.code)
    expect(outcome).toMatch(/^(too_large|activity_failed|timed_out)$/)
    let items: unknown[] = Array(50_000).fill(1)
    for (let depth = 0; depth < 450; depth++) items = [items]
    await expect(runActivity(renderDocument, { format: 'json', items }, bounded())).rejects.toThrow(/Writing JSON/)
  })

  it('work that waits leaves the queue at once when its signal fires', async () => {
    const [running, waiting] = [new AbortController(), new AbortController()]
    const context = (stop: AbortController) => ({ ...patient(), signal: stop.signal })
    const busy = [1, 2].map(() =>
      runActivity(transform, { expression: endless }, context(running)).catch(() => 'ended'),
    )
    const last = runActivity(transform, { expression: '1' }, context(waiting))
    waiting.abort()
    await expect(last).rejects.toMatchObject({ code: 'cancelled' })
    running.abort()
    expect(await Promise.all(busy)).toEqual(['ended', 'ended'])
  })

  it('a larger input than the server allows is refused', async () => {
    const context = makeTestContext({ settings: { transformLimits: { seconds: 20, memoryBytes, inputBytes: 100 } } })
    for (const input of ['x'.repeat(99), [...Array(60).keys()]]) {
      await expect(runActivity(transform, { expression: '$', input }, context)).rejects.toMatchObject({
        code: 'too_large',
        hint: expect.stringContaining('JETTY_TRANSFORM_INPUT_BYTES'),
      })
    }
    const text = 'x'.repeat(101)
    await expect(runActivity(parseDocumentStep, { text }, context)).rejects.toMatchObject({ code: 'too_large' })
    expect(await runActivity(transform, { expression: '$', input: 'x'.repeat(90) }, context)).toMatchObject({
      count: 1,
    })
  })

  it('a signal ends the work', async () => {
    const stop = new AbortController()
    const working = runActivity(transform, { expression: endless }, { ...patient(), signal: stop.signal })
    stop.abort()
    await expect(working).rejects.toThrow()
  })
})

it('what one collection leaves behind never meets another', async () => {
  const first = patient()
  const other = { ...first, run: { ...first.run, collection: 'other' } }
  const both = await Promise.all([
    runActivity(transform, { expression: 'a', input: { a: 'first' } }, first),
    runActivity(transform, { expression: 'a', input: { a: 'other' } }, other),
  ])
  expect(both).toMatchObject([{ result: 'first' }, { result: 'other' }])
})
