import { describe, expect, it } from 'vitest'
import { makeTestContext, runActivity } from '../../../test/activity-context.ts'
import type { Json } from '../activity.ts'
import { labelRun } from '../data/data-activities.ts'
import { evaluationSubjects, judgeMaterial } from './simple-judge.ts'

/** A run that was given this, and in which the path leads to that. */
const reading = (value: Json, input: Json = null) =>
  makeTestContext({
    runs: { read: async ({ paths }) => [[{ found: true, value: paths[0] === 'init_params' ? input : value }]] },
  })

describe('evaluation_subjects', () => {
  it('leaves what completed, each with what was expected of it', async () => {
    const references = [
      { trajectory_id: 'a', index: 0, status: 'completed', name: 'acme/answer' },
      { trajectory_id: 'b', index: 1, status: 'failed', name: 'acme/answer' },
      { trajectory_id: 'c', index: 2, status: 'completed', name: 'acme/answer' },
    ]
    expect(await runActivity(evaluationSubjects, { references, expected: [null, 'x', 'y'] })).toEqual({
      subjects: [
        { trajectory_id: 'a', index: 0, expected: null },
        { trajectory_id: 'c', index: 2, expected: 'y' },
      ],
      skipped: 1,
    })
    expect(await runActivity(evaluationSubjects, { references: [] })).toEqual({ subjects: [], skipped: 0 })
  })
})

describe('judge_material', () => {
  const given = { trajectory_id: '1f2e3d4c', read: 'answer.outputs', instruction: 'Is it kind?' }

  it('puts input, expectation and output into one text, and says what it is made of', async () => {
    const context = reading({ text: 'Certainly.', model: 'gpt-4o' }, { q: 'Why?' })
    expect(await runActivity(judgeMaterial, { ...given, expected: 'Because.' }, context)).toEqual({
      item: 'Input:\n{"q":"Why?"}\n\nExpected:\nBecause.\n\nOutput:\nCertainly.',
      instruction:
        'Is it kind?\n\nThe item is a run of a task: its input, what was expected of it, and its output. Judge the output.',
    })
    expect(await runActivity(judgeMaterial, given, reading([1, 2]))).toMatchObject({ item: 'Output:\n[1,2]' })
  })

  it.each([
    'acme/draw/0000/1f2e3d4c.draw.0000.cat.png',
    'https://example.com/cat.jpg',
    { path: 'acme/draw/0000/1f2e3d4c.draw.0000.cat.webp', name: 'cat.webp' },
  ])('leaves an image one: %j', async (image) => {
    expect(await runActivity(judgeMaterial, given, reading(image, 'a cat'))).toEqual({
      item: image,
      instruction: 'Is it kind?\n\nInput:\na cat',
    })
  })

  it('leaves stored files ones, and takes those that a runbook was to make before what its agent says of them', async () => {
    const at = (name: string) => `acme/draw/0000/1f2e3d4c.run.0000.app--results--${name}`
    const judged = async (output: unknown) =>
      (await runActivity(judgeMaterial, given, reading(output, 'a cat'))) as { item: unknown }
    expect(await judged(at('a.md'))).toEqual({ item: at('a.md'), instruction: 'Is it kind?\n\nInput:\na cat' })
    const made = (...names: string[]) => ({ text: 'I was great.', primary_files: names.map(at) })
    expect((await judged(made('a.md'))).item).toBe(at('a.md'))
    expect((await judged(made('a.md', 'b.md'))).item).toEqual([at('a.md'), at('b.md')])
    expect((await judged(made('a.md', 'b.png'))).item).toBe(at('a.md'))
    expect((await judged(made())).item).toContain('I was great.')
  })

  it('without a path takes the last step that completed', async () => {
    const steps = [
      { name: 'a', status: 'completed', outputs: { text: 'first' } },
      { name: 'b', status: 'completed', outputs: { text: 'last' } },
      { name: 'c', status: 'skipped', outputs: null },
    ]
    const { read: _, ...pathless } = given
    const context = makeTestContext({ runs: { steps: async () => steps } })
    expect(await runActivity(judgeMaterial, pathless, context)).toMatchObject({ item: 'Output:\nlast' })
    await expect(runActivity(judgeMaterial, pathless)).rejects.toThrow('There is nothing to judge: run 1f2e3d4c')
  })

  it('says why there is nothing to judge', async () => {
    const reason = "there is no step 'answer'"
    const context = makeTestContext({ runs: { read: async () => [[{ found: false, reason }]] } })
    await expect(runActivity(judgeMaterial, given, context)).rejects.toMatchObject({
      code: 'reference_missing',
      message: `There is nothing to judge: ${reason}`,
      hint: expect.stringContaining('output_path'),
    })
    await expect(runActivity(judgeMaterial, given)).rejects.toThrow('there is no run 1f2e3d4c')
  })
})

describe('label_run', () => {
  it('sets one label, as its author or as the one of the run', async () => {
    const context = makeTestContext()
    const given = { trajectory_id: '1f2e3d4c', key: 'clarity', value: 7.5 }
    const label = { ...given, value: '7.5', author: 'test' }
    expect(await runActivity(labelRun, given, context)).toEqual(label)
    expect(await runActivity(labelRun, { ...given, author: 'judge/clarity' }, context)).toMatchObject({
      author: 'judge/clarity',
    })
    expect(context.labelled).toEqual([label, { ...label, author: 'judge/clarity' }])
  })
})
