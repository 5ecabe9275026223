import { expect, test } from 'vitest'
import { builtinActivities } from '../../activities/registry.ts'
import type { Queries } from '../../store/database/database.ts'
import { makeProgramCache } from './programs.ts'

const textOf = (characters: number): string =>
  JSON.stringify({ step_configs: { a: { activity: 'text_echo', text: 'x'.repeat(characters) } }, steps: ['a'] })

/** A database whose definitions have as many characters as their hash says. */
const readDefinitions = (asked: string[]): Queries => {
  const queries: Pick<Queries, 'rows'> = {
    async rows<Row>(_name: string, _text: string, [hash]: unknown[] = []) {
      asked.push(String(hash))
      if (hash === 'broken') throw new Error('the database is away')
      return [{ workflow: textOf(Number(String(hash).split(':')[1])) }] as Row[]
    },
  }
  return queries as Queries
}

const definitions = () => {
  const asked: string[] = []
  return { asked, programs: makeProgramCache(builtinActivities).readThrough(readDefinitions(asked)) }
}

test('a definition is read and compiled once, also by those who ask while it is read', async () => {
  const { asked, programs } = definitions()
  const [first, second] = await Promise.all([programs.of('a:10'), programs.of('a:10')])
  expect(await programs.of('a:10')).toBe(first)
  expect(second).toBe(first)
  expect(asked).toEqual(['a:10'])
})

test('runs and requests share programs, and a read that fails for one does not fail for the other', async () => {
  const cache = makeProgramCache(builtinActivities)
  const asked: string[] = []
  const runs = cache.readThrough(readDefinitions(asked))
  const away = { rows: () => Promise.reject(new Error('the database is away')) } as unknown as Queries
  const requests = cache.readThrough(away)
  const [failed, read] = await Promise.allSettled([requests.of('a:10'), runs.of('a:10')])
  expect([failed.status, read.status]).toEqual(['rejected', 'fulfilled'])
  expect(await requests.of('a:10')).toBe(await runs.of('a:10'))
  expect(asked).toEqual(['a:10'])
})

test('what does not fit into 32 million characters leaves, the longest unused first', async () => {
  const { asked, programs } = definitions()
  const [a, b, c] = ['a:14000000', 'b:14000000', 'c:14000000'] as const
  for (const hash of [a, b, a, c]) await programs.of(hash)
  await programs.of(a)
  await programs.of(b)
  expect(asked).toEqual([a, b, c, b])
})

test('many that are asked for at once are all answered, and no more than fit stay', async () => {
  const { asked, programs } = definitions()
  const hashes = Array.from({ length: 12 }, (_, at) => `${at}:6000000`)
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
