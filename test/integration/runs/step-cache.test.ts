// Steps with options.cache: what was made from the same once is not made again, as long as it is there.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { activity } from '../../../src/activities/activity.ts'
import { sweepStepResults } from '../../../src/store/runs/step-results.ts'
import { wrongTotals } from '../../kept-totals.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

const secret = 'sk-unmistakable-step-cache-0f7a93'

let made = 0
const maker = (name: string) =>
  activity({
    name,
    category: 'text',
    description: 'Makes something that can be counted.',
    parameters: z.object({
      of: z.unknown().describe('What it makes it of.'),
      secret: z.string().optional().describe('A secret.'),
      key: z.string().optional().describe('A credential.'),
      file: z.string().optional().describe('What the file says that it stores.'),
      length: z.number().default(0).describe('Characters to put out.'),
      fail: z.boolean().default(false).describe('Whether it fails.'),
    }),
    secret: ['key'],
    outputs: z.object({
      number: z.number().describe('Which one it is.'),
      text: z.string().describe('A text.'),
      file: z.unknown().optional(),
    }),
    example: { activity: name, of: 'a' },
    gotchas: ['It is for tests.'],
    async run({ file, length, fail }, context) {
      made++
      if (fail) throw new Error('as asked')
      context.warn('made anew')
      const stored = file ? await context.files.save({ name: 'a.txt', content_type: 'text/plain', body: file }) : null
      return { number: made, text: 'x'.repeat(length), ...(stored && { file: stored }) }
    },
  })

let jetty: TestServer
beforeAll(async () => {
  jetty = await startTestServer({ activities: [maker('make'), maker('make_other')] })
})
beforeEach(async () => {
  made = 0
  await jetty.server.database.query('delete from step_results')
})
afterAll(() => jetty?.close())

const of = (config: Record<string, unknown>) => ({
  init_params: {},
  step_configs: { make: { activity: 'make', options: { cache: true }, ...config } },
  steps: ['make'],
})
const run = async (config: Record<string, unknown>, form = {}): Promise<Body> => {
  const result = await jetty.run(of(config), form)
  expect([result.status, result.error]).toEqual(['completed', null])
  return result
}
const warnings = async (result: Body): Promise<string[]> =>
  (await jetty.call('GET', `/api/v1/workflows-logs/${result.workflow_id}?level=warning`)).body.events.map(
    (event: Body) => event.message,
  )

describe('a completed result', () => {
  it('is reused by whoever asks the same of the same activity, with its origin, its warnings and at no time', async () => {
    const first = await run({ of: { a: 1, b: [2] }, length: 100_000 })
    const second = await run({ length: 100_000, of: { b: [2], a: 1 } })
    expect(made).toBe(1)
    expect(second.steps.make.outputs).toEqual(first.steps.make.outputs)
    expect(second.steps.make.origin).toMatchObject({
      trajectory_id: first.trajectory_id,
      task: first.name,
      step: 'make',
      kind: 'cache',
    })
    expect(await warnings(second)).toEqual(['made anew'])
    expect(await wrongTotals((text) => jetty.server.database.query(text))).toEqual([])
  })

  it('is not that of other inputs, of another activity, or of a step that does not ask for it', async () => {
    await run({ of: 1 })
    await run({ of: 2 })
    await run({ of: 1, activity: 'make_other' })
    await run({ of: 1, options: {} })
    await run({ of: 1, options: { cache: false } })
    expect(made).toBe(5)
    await run({ of: 1 })
    expect(made).toBe(5)
  })

  it('is not that of another collection', async () => {
    await run({ of: 1 })
    await jetty.call('POST', '/api/v1/collections', { name: 'other' })
    await jetty.call('POST', '/api/v1/tasks/other', { name: 'make', workflow: of({ of: 1 }) })
    const { body } = await jetty.call('POST', '/api/v1/run-sync/other/make', {})
    expect([body.status, made]).toEqual(['completed', 2])
  })

  it('of a failure there is none', async () => {
    for (const times of [1, 2]) {
      const failed = await jetty.run(of({ of: 1, fail: true }))
      expect([failed.status, made]).toEqual(['failed', times])
    }
  })

  it('of a reused result is found again, with where it was really made', async () => {
    const first = await run({ of: 1 })
    await run({ of: 1 })
    const third = await run({ of: 1 })
    expect([made, third.steps.make.origin.trajectory_id]).toEqual([1, first.trajectory_id])
  })
})

describe('what a result was made from', () => {
  it('is the version of the environment too, where the step reads it', async () => {
    const set = (value: string) =>
      jetty.call('PATCH', '/api/v1/collections/acme/environment', { environment_variables: { PLACE: value } })
    await set('unmistakable-place-one')
    await run({ of: 1, secret_path: 'env.PLACE' })
    await run({ of: 1, secret_path: 'env.PLACE' })
    expect(made).toBe(1)
    await set('unmistakable-place-two')
    await run({ of: 1, secret_path: 'env.PLACE' })
    expect(made).toBe(2)
  })

  it('is told apart by the variable that it comes from, and never reused where another step or the caller gives it', async () => {
    const variables = { KEY_A: 'unmistakable-key-a', KEY_B: 'unmistakable-key-b' }
    await jetty.call('PATCH', '/api/v1/collections/acme/environment', { environment_variables: variables })
    await run({ of: 2, key_path: 'env.KEY_A' })
    await run({ of: 2, key_path: 'env.KEY_A' })
    expect(made).toBe(1)
    await run({ of: 2, key_path: 'env.KEY_B' })
    expect(made).toBe(2)
    await run({ of: 2, secret_path: 'env.KEY_A' })
    await run({ of: 2, secret_path: 'env.KEY_B' })
    expect(made).toBe(4)
    for (const times of [5, 6]) {
      const mixed = await run({ of: 2, key: 'unmistakable-of-the-step', secret_path: 'env.KEY_A' })
      expect(made).toBe(times)
      expect((await warnings(mixed))[0]).toContain('options.cache is ignored')
    }
  })

  it('cannot be told where it is a secret of the run: nothing is reused or kept, and a warning says so', async () => {
    const form = { secret_params: { ONE_OFF: secret } }
    for (const times of [1, 2]) {
      const result = await run({ of: 1, secret_path: 'env.ONE_OFF' }, form)
      expect(made).toBe(times)
      expect((await warnings(result))[0]).toContain('options.cache is ignored')
    }
    const other = await run({ of: 1, key: 'sk-unmistakable-key-of-a-step' })
    expect((await warnings(other))[0]).toContain('options.cache is ignored')
    expect(await jetty.server.database.query('select from step_results')).toEqual([])
  })

  it('is a file by what it is, not by where it stands', async () => {
    const upload = async (text: string): Promise<string> => {
      const form = new FormData()
      form.append('collection', 'acme')
      form.append('file', new Blob([text]), 'same.txt')
      return (await jetty.call('POST', '/api/v1/files/upload', form)).body.path
    }
    const path = await upload('one')
    await run({ of: path })
    await run({ of: path })
    expect(made).toBe(1)
    await jetty.server.database.query(
      `update files set object = (select object from files where path = $2) where path = $1`,
      [path, await upload('two')],
    )
    await run({ of: path })
    expect(made).toBe(2)
  })
})

describe('what is gone', () => {
  it('with its file is made again', async () => {
    const first = await run({ of: 1, file: 'hello' })
    const second = await run({ of: 1, file: 'hello' })
    expect([made, second.steps.make.outputs.file.path]).toEqual([1, first.steps.make.outputs.file.path])
    await jetty.server.database.query('delete from files where path = $1', [first.steps.make.outputs.file.path])
    const third = await run({ of: 1, file: 'hello' })
    expect([made, third.steps.make.outputs.file.path]).not.toEqual([1, first.steps.make.outputs.file.path])
  })

  it('with its run is made again, and swept; so is what is too old, or too much', async () => {
    const first = await run({ of: 1 })
    const database = jetty.server.database
    await database.query(
      `with gone as (delete from runs where trajectory_id = $1 returning id) delete from steps using gone where run_id = gone.id`,
      [first.trajectory_id],
    )
    await database.query(`delete from run_counts`)
    await sweepStepResults(database, { days: 1, entries: 10 })
    expect(await database.query('select from step_results')).toEqual([])
    for (const value of [2, 3, 4]) await run({ of: value })
    await sweepStepResults(database, { days: 1, entries: 2 })
    expect(await database.query('select from step_results')).toHaveLength(2)
    await database.query(`update step_results set created_at = now() - interval '40 days'`)
    await run({ of: 4 })
    expect(made).toBe(5)
    await sweepStepResults(database, { days: 30, entries: 10 })
    expect(await database.query('select from step_results')).toHaveLength(1)
  })
})
