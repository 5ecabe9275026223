import { expect, test } from 'vitest'
import { builtinActivities } from '../../activities/registry.ts'
import type { Queries } from '../../database/database.ts'
import { makePrograms } from './programs.ts'

const textOf = (characters: number): string =>
  JSON.stringify({ step_configs: { a: { activity: 'text_echo', text: 'x'.repeat(characters) } }, steps: ['a'] })

/** A database whose definitions have as many characters as their hash says. */
const definitions = () => {
  const asked: string[] = []
  const queries: Pick<Queries, 'rows'> = {
    async rows<Row>(_name: string, _text: string, [hash]: unknown[] = []) {
      asked.push(String(hash))
      if (hash === 'broken') throw new Error('the database is away')
      return [{ workflow: textOf(Number(String(hash).split(':')[1])) }] as Row[]
    },
  }
  return { asked, programs: makePrograms(queries as Queries, builtinActivities, { stepAttempts: 3 }) }
}

test('a definition is read and compiled once, also by those who ask while it is read', async () => {
  const { asked, programs } = definitions()
  const [first, second] = await Promise.all([programs.of('a:10'), programs.of('a:10')])
  expect(await programs.of('a:10')).toBe(first)
  expect(second).toBe(first)
  expect(asked).toEqual(['a:10'])
})

test('what does not fit into 16 million characters leaves, the longest unused first', async () => {
  const { asked, programs } = definitions()
  for (const hash of ['a:7000000', 'b:7000000', 'a:7000000', 'c:7000000']) await programs.of(hash)
  await programs.of('a:7000000')
  await programs.of('b:7000000')
  expect(asked).toEqual(['a:7000000', 'b:7000000', 'c:7000000', 'b:7000000'])
})

test('many that are asked for at once are all answered, and no more than fit stay', async () => {
  const { asked, programs } = definitions()
  const hashes = Array.from({ length: 12 }, (_, at) => `${at}:3000000`)
  const all = await Promise.all(hashes.map((hash) => programs.of(hash)))
  expect(all.map((program) => program.steps.length)).toEqual(hashes.map(() => 1))
  for (const hash of hashes) await programs.of(hash)
  expect(asked.length).toBeGreaterThanOrEqual(12 + 7)
})

test('a read that failed is tried again', async () => {
  const { asked, programs } = definitions()
  await expect(programs.of('broken')).rejects.toThrow('the database is away')
  await expect(programs.of('broken')).rejects.toThrow('the database is away')
  expect(asked).toEqual(['broken', 'broken'])
})
