// Every runbook of examples/runbooks as it stands there: strict in its form, and carried out by `scripted`.
import { readdirSync, readFileSync } from 'node:fs'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { zipArchive } from '../../src/lib/files/archives.ts'
import type { ModelAnswer } from '../../src/model/gateway/chat.ts'
import { validateRunbook } from '../../src/sandbox/runbooks/format/validate.ts'
import { type CarryOptions, openRunner } from './runner.ts'

const folder = new URL('../../examples/runbooks/', import.meta.url)
const textOf = (name: string): string => readFileSync(new URL(name, folder), 'utf8')
const receipts = readdirSync(new URL('receipts/', folder)).filter((name) => name.endsWith('.txt'))

const zipOf = async (names: readonly string[]): Promise<Buffer> =>
  buffer(
    await zipArchive(
      names.map((name) => ({
        name: `trip/${name}`,
        modified: new Date(0),
        open: async () => Readable.from([textOf(`receipts/${name}`)]),
      })),
    ),
  )

let opened: Awaited<ReturnType<typeof openRunner>>
beforeAll(async () => {
  opened = await openRunner()
})
afterAll(async () => {
  await opened.close()
})

const carryOut = (name: string, options?: CarryOptions) =>
  opened.carryOut(textOf(name), { files: Object.keys(options?.files ?? {}) }, options)

it.each(readdirSync(folder).filter((name) => name.endsWith('.md')))('%s has every part of the format', (name) => {
  expect(validateRunbook(textOf(name), 'strict')).toMatchObject({ valid: true, errors: [], warnings: [] })
})

it('sandbox-tour.md', async () => {
  const { outcome, kept } = await carryOut('sandbox-tour.md')
  expect(outcome.failure).toBeNull()
  expect(kept.get('tour.md')?.toString()).toContain('there is no route to the outside')
})

it('order-totals.md passes its own check after one repair', async () => {
  const { outcome, kept } = await carryOut('order-totals.md')
  expect([outcome.failure, outcome.verification]).toMatchObject([null, { kind: 'command', repair_rounds: 1 }])
  expect(kept.get('totals.csv')?.toString()).toBe('customer,total\nada,220\nedsger,325\ngrace,100\n')
})

it('match-receipts.md finds its inputs, those in an archive too, and says what is open', async () => {
  const files = { 'in/statement.csv': textOf('receipts/statement.csv'), 'in/receipts.zip': await zipOf(receipts) }
  const { outcome, kept } = await carryOut('match-receipts.md', { files })
  expect([outcome.failure, outcome.verification]).toMatchObject([null, { passed: true, repair_rounds: 0 }])
  const matched = kept.get('matches.csv')?.toString().trim().split('\n').slice(1)
  expect(matched?.map((line) => line.split(',').at(-1))).toEqual(['ferry.txt', 'hotel.txt', 'lunch.txt', ''])
  expect(kept.get('open-questions.md')?.toString()).toContain('Rope and shackles: no receipt over 63.75')
})

it('release-note.md passes when a judge says so, who has read it and the rubric', async () => {
  const scores = [3, 5]
  const asked: string[] = []
  const chat: CarryOptions['chat'] = async (request) => {
    asked.push(JSON.stringify(request))
    const text = `{"explanation": "It is short.", "score": ${scores.shift()}}`
    const completion = { choices: [{ message: { content: text } }] }
    return { completion, text, provider: 'fake', model: 'fake', usage: null, cost_usd: null } as ModelAnswer
  }
  const env = { OPENAI_API_KEY: 'sk-of-the-judge-5512' }
  const { outcome, kept } = await carryOut('release-note.md', { chat, env })
  expect([outcome.failure, outcome.verification]).toMatchObject([null, { kind: 'judge', score: 5, repair_rounds: 1 }])
  expect(asked[1]).toContain('who uses the harbour app')
  expect(asked[1]).toContain('Tide tables load in half a second')
  expect(kept.get('release-note.md')?.toString()).toContain('# What is new in the harbour app')
})
